import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Finding } from '#src/doctor/check.js'
import { lockHolders } from '#src/store/sqlite/lock-holders.js'
import { isStopped } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import type { Scene, Started, StartOptions } from '../support/scene.ts'

type Told = Omit<Finding, 'fix'> & { readonly fixable: boolean }

export interface Report {
  readonly code: number | null
  readonly healthy: boolean
  readonly checks: ReadonlyArray<{
    readonly check: string
    readonly says: string
    readonly tookMs: number
    readonly findings: readonly Told[]
    readonly mended: readonly string[]
  }>
  /** What one check found. */
  of(check: string): readonly Told[]
  /** What it did about that. */
  mended(check: string): readonly string[]
}

/**
 * What the real command says, as a program reads it. Without cgroups, in which other tests may have left something just
 * now, since those are the machine's.
 */
export async function doctor(
  scene: Scene,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<Report> {
  const env = { COPPICE_CGROUP: '/proc/no/cgroup', ...options.env }
  return reportOf(await scene.coppice(['doctor', '--json', ...args], { ...options, env }).exited)
}

export function reportOf({
  code,
  stdout,
  stderr,
}: {
  code: number | null
  stdout: string
  stderr: string
}): Report {
  expect(stderr).toBe('')
  const { healthy, checks }: Pick<Report, 'healthy' | 'checks'> = JSON.parse(stdout)
  const one = (name: string) => {
    const found = checks.find(({ check }) => check === name)
    if (found === undefined) throw new Error(`there is no check ${name}`)
    return found
  }
  expect(code).toBe(healthy ? 0 : 1)
  return { code, healthy, checks, of: (check) => one(check).findings, mended: (check) => one(check).mended }
}

/** What somebody should see to, in words: none where all is well. */
export function troubleIn({ checks, code }: Report): string[] {
  const found = checks.flatMap(({ check, findings }) =>
    findings.flatMap((one) => (one.severity === 'note' ? [] : [`${check}: ${one.found}`])),
  )
  expect(code).toBe(found.length === 0 ? 0 : 1)
  return found
}

/** What one check found, without what is only noted: other tests leave marks on the machine as well. */
export function errorsIn(report: Report, check: string): Told[] {
  return report.of(check).filter(({ severity }) => severity !== 'note')
}

/** Mends, and shows that a second look finds nothing of it and mends nothing. */
export async function mendOnce(
  scene: Scene,
  check: string,
  args: readonly string[] = [],
): Promise<readonly string[]> {
  const mended = await doctor(scene, ['--fix', ...args])
  expect(errorsIn(mended, check)).toEqual([])
  const again = await doctor(scene, ['--fix', ...args])
  expect(errorsIn(again, check)).toEqual([])
  expect(again.mended(check)).toEqual([])
  return mended.mended(check)
}

/** Every file below a folder with what is in it, its mode and when it was changed; a socket by its name. */
export function snapshot(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true }).map(String).sort()
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name)
      const stats = statSync(path)
      const content = stats.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
      return [name, `${stats.mode.toString(8)} ${stats.isDirectory() ? '' : stats.mtimeMs} ${content}`]
    }),
  )
}

/** Stops a host where it is not in the middle of a write, which would lock the state for all. */
export async function freezeBetweenWrites({ state }: Scene, { child, pid }: Started): Promise<void> {
  await eventually(async () => {
    child.kill('SIGSTOP')
    await eventually(() => isStopped(pid))
    if (!(await lockHolders(state)).includes(pid)) return true
    child.kill('SIGCONT')
    return false
  })
}
