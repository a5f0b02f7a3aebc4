import { askChild } from '../health/asking.js'
import { formatRoughSize } from '../sizes.js'
import { judge, nothingKnown } from '../supervisor/host/health-judge.js'
import type {
  HealthFacts,
  HealthReport,
  HealthVerdict,
  SupervisorHealth,
} from '../supervisor/host/health-report.js'
import { storeSettings } from '../supervisor/host/state.js'
import { exitCodes } from './exit-codes.js'
import { type Cell, duration, printJson, printLine, printTable } from './printing.js'
import { stateArguments, stateOption } from './state.js'

/** `coppice health` */
export async function health(options: { readonly state?: string; readonly json?: boolean }): Promise<void> {
  const report = await reportOn(options)
  process.exitCode = { ok: 0, degraded: exitCodes.degraded, unresponsive: exitCodes.unresponsive }[
    report.verdict
  ]
  if (options.json === true) return printJson(report)
  await print(report)
}

async function reportOn(options: { readonly state?: string }): Promise<HealthReport> {
  const { location } = storeSettings(stateOption(options))
  const facts = await askChild<HealthFacts | 'no state'>(['health', ...stateArguments(options)])
  const nothing = nothingKnown(location)
  if (facts === 'no state') return judge(nothing, {})
  return judge(facts ?? { ...nothing, storeError: 'its disk hangs' }, {})
}

async function print(report: HealthReport): Promise<void> {
  const { verdict, reasons, supervisors } = report
  await printTable(null, [
    [verdictCell(verdict), reasons.length === 0 ? summary(report) : ''],
    ...reasons.map(({ message, verdict }): Cell[] => ['', { text: message, style: colours[verdict] }]),
  ])
  if (reasons.length > 0) printLine(summary(report))
  if (supervisors.length === 0) return
  await printTable(
    [
      'SUPERVISOR',
      'VERDICT',
      'HEARTBEAT',
      'LOOP P50/P99/MAX',
      'BUSY',
      'COMMIT P99',
      'RUNS',
      'TREES',
      'LEFT',
      'MEMORY',
    ],
    supervisors.map(row),
  )
}

function row({ pid, host, verdict, heartbeatMs, health }: SupervisorHealth): Cell[] {
  const who = [`${pid}@${host}`, verdictCell(verdict), duration(heartbeatMs)]
  if (health === null) return [...who, '-', '-', '-', '-', '-', '-', '-']
  const { hostLoop, commits, running, stopping, waiting, trees, leftBehind, memory } = health
  const { residentBytes, bytesPerMinute } = memory
  const loop =
    hostLoop === null ? '-' : [hostLoop.p50Ms, hostLoop.p99Ms, hostLoop.maxMs].map(duration).join('/')
  return [
    ...who,
    loop,
    hostLoop === null ? '-' : `${Math.round(hostLoop.utilization * 100)}%`,
    commits.p99 === null ? '-' : `${commits.p99}ms`,
    `${running} running, ${stopping} stopping, ${waiting} waiting`,
    String(trees),
    String(leftBehind),
    `${formatRoughSize(residentBytes)}${bytesPerMinute === null ? '' : `, ${growth(bytesPerMinute)}`}`,
  ]
}

function growth(bytesPerMinute: number): string {
  return `${bytesPerMinute < 0 ? '' : '+'}${formatRoughSize(bytesPerMinute)}/min`
}

function summary({
  state,
  runs,
  oldestLock,
  longestWait,
  openBreakers,
  unacknowledgedEndings,
}: HealthReport): string {
  if (state.answeredMs === null)
    return state.error === null ? `no state at ${state.path}` : `state ${state.path}`
  const lock =
    oldestLock === null
      ? 'no session is held'
      : `the longest hold is ${oldestLock.session}’s by ${oldestLock.run}, for ${duration(oldestLock.heldMs)}${
          oldestLock.boundMs === null ? '' : ` of at most ${duration(oldestLock.boundMs)}`
        }`
  return [
    `${runs?.running} running, ${runs?.stopping} stopping, ${runs?.waiting} waiting`,
    lock,
    longestWait === null
      ? 'nobody waits'
      : `the longest wait is for ${longestWait.session}, ${duration(longestWait.waitedMs)}`,
    `open breakers: ${openBreakers.length}`,
    ...(unacknowledgedEndings === null ? [] : [`unacknowledged endings: ${unacknowledgedEndings}`]),
  ].join('; ')
}

const colours = { ok: 'green', degraded: 'yellow', unresponsive: 'red' } as const

function verdictCell(verdict: HealthVerdict): Cell {
  return { text: verdict, style: colours[verdict] }
}
