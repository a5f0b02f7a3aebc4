import { styleText } from 'node:util'
import { isTrouble, type Severity } from '../doctor/check.js'
import { type Diagnosis, type Examined, examine } from '../doctor/doctor.js'
import { printable, printJson } from './printing.js'
import { stateOption } from './state.js'

interface DoctorCommandOptions {
  readonly state?: string
  readonly lockFiles?: string
  readonly fix?: boolean
  readonly json?: boolean
}

/** `coppice doctor`: exits with 0 where nobody need act, and with 1 where somebody should. */
export async function doctor(options: DoctorCommandOptions): Promise<void> {
  const { json = false, fix = false, lockFiles } = options
  const diagnosis = await examine(
    { ...stateOption(options), fix, ...(lockFiles === undefined ? {} : { lockFiles }) },
    json ? () => {} : print,
  )
  if (!diagnosis.isHealthy) process.exitCode = 1
  if (json) printJson(jsonOf(diagnosis))
  else process.stdout.write(`${lastLine(diagnosis, fix)}\n`)
}

function print(examined: Examined): void {
  const { check, title, says, findings, mended } = examined
  const worst = findings.some(isTrouble) ? 'found' : findings.length > 0 ? 'note' : 'ok'
  const lines = [
    `${mark(mended.length > 0 ? 'fixed' : worst)} ${check.padEnd(nameWidth)} ${title}: ${says}`,
    ...mended.map((what) => `${indent}did:   ${what}`),
    ...findings.flatMap(({ severity, found, why, mends }) => [
      `${indent}${styled(severity, `${severity}:`)} ${found}`,
      `${indent}  why:   ${why}`,
      `${indent}  mends: ${mends}`,
    ]),
  ]
  process.stdout.write(`${lines.map(printable).join('\n')}\n`)
}

const nameWidth = 'permissions'.length
const indent = ' '.repeat(6)

type Mark = 'ok' | 'note' | 'found' | 'fixed'

const colours = {
  ok: 'green',
  note: 'cyan',
  found: 'red',
  fixed: 'green',
  error: 'red',
  warning: 'yellow',
} as const

function mark(mark: Mark): string {
  return styled(mark, mark.padEnd(indent.length - 1))
}

/** On a terminal alone, and not where NO_COLOR says so: styleText sees to both. */
function styled(kind: Mark | Severity, text: string): string {
  return styleText(colours[kind], text, { stream: process.stdout })
}

function lastLine({ isHealthy, checks }: Diagnosis, fixes: boolean): string {
  if (isHealthy) return 'healthy'
  const left = checks.flatMap(({ findings }) => findings.filter(isTrouble))
  const mendable = left.filter(({ fix }) => fix !== undefined).length
  const hint =
    fixes || mendable === 0
      ? ''
      : `; coppice doctor --fix mends ${mendable === left.length ? 'them' : mendable}`
  return `${left.length === 1 ? '1 finding' : `${left.length} findings`}${hint}`
}

/** As documented in docs/doctor.md: fields are added, and none is taken away. */
function jsonOf({ isHealthy, state, checks }: Diagnosis) {
  return {
    healthy: isHealthy,
    state,
    checks: checks.map(({ check, title, says, tookMs, findings, mended }) => ({
      check,
      title,
      says,
      tookMs,
      findings: findings.map(({ fix, ...finding }) => ({ ...finding, fixable: fix !== undefined })),
      mended,
    })),
  }
}
