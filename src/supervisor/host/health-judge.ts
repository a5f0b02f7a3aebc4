import ms from 'ms'
import { formatRoughSize } from '../../sizes.js'
import type { HealthFacts, KeeperHealth, LockAge, SeenSupervisor } from '../health.js'
import {
  type HealthCheckResult,
  type HealthReason,
  type HealthReport,
  type HealthVerdict,
  type SupervisorHealth,
  thresholds,
} from './health-report.js'
import { viewBreaker, viewSupervisor } from './views.js'

type Checks = Readonly<Record<string, HealthCheckResult>>
type Worth = Omit<HealthReason, 'supervisor'>

/** Facts as a report: what is wrong, against which threshold, and how bad that is. */
export function judge(facts: HealthFacts, checks: Checks, now = Date.now()): HealthReport {
  const { census, location: path, storeMs: answeredMs, storeError: error } = facts
  const judged = facts.supervisors.map((seen) => judgeSupervisor(seen, now))
  const reasons = [
    ...storeReasons(facts),
    ...judged.flatMap(({ reasons }) => reasons),
    ...censusReasons(facts, now),
    ...checkReasons(checks),
  ]
  const healths = facts.supervisors.flatMap(({ health }) => health ?? [])
  return {
    verdict: worst(reasons),
    reasons,
    at: new Date(now).toISOString(),
    state: { path, answeredMs, error },
    runs: census && { waiting: census.waiting, running: census.running, stopping: census.stopping },
    leftBehind: healths.reduce((sum, { leftBehind }) => sum + leftBehind, 0),
    oldestLock: oldestLock(facts, healths, now),
    longestWait:
      census === null || census.longestWait === null
        ? null
        : {
            run: census.longestWait.run,
            session: census.longestWait.session,
            waitedMs: Math.max(0, now - census.longestWait.since),
          },
    openBreakers: (census?.openBreakers ?? []).flatMap(({ session, breaker }) => {
      const view = viewBreaker(breaker)
      return view === null ? [] : [{ session, ...view }]
    }),
    unacknowledgedEndings: facts.untoldEndings,
    supervisors: judged.map(({ supervisor }) => supervisor),
    checks,
    thresholds,
  }
}

/** Of a store that nobody has said anything of. */
export function nothingKnown(location: string): HealthFacts {
  return {
    location,
    storeMs: null,
    storeError: null,
    census: null,
    untoldEndings: null,
    supervisors: [],
  }
}

export function worst(reasons: ReadonlyArray<Pick<HealthReason, 'verdict'>>): HealthVerdict {
  if (reasons.some(({ verdict }) => verdict === 'unresponsive')) return 'unresponsive'
  return reasons.length === 0 ? 'ok' : 'degraded'
}

/** A reason that stands alone, with nothing else known. */
export function reasonOf(
  what: HealthReason['what'],
  verdict: HealthReason['verdict'],
  message: string,
  measured: number | null = null,
  threshold: number | null = null,
): Worth {
  return { what, verdict, measured, threshold, message }
}

function judgeSupervisor(
  seen: SeenSupervisor,
  now: number,
): { readonly supervisor: SupervisorHealth; readonly reasons: HealthReason[] } {
  const { record, health } = seen
  const heartbeatMs = health?.renewedMs ?? Math.max(0, now - record.renewedAt)
  const found = health === null ? silenceReasons(seen, heartbeatMs, now) : keeperReasons(health, record.ttl)
  const who = `supervisor pid ${record.identity.pid} on ${record.host}: `
  const reasons = found.map((one) => ({ ...one, supervisor: record.id, message: who + one.message }))
  return { supervisor: { ...viewSupervisor(seen), verdict: worst(reasons), heartbeatMs }, reasons }
}

/** Of one that does not answer, by what can be seen of it all the same. */
function silenceReasons(
  { record, alive, stopped }: SeenSupervisor,
  heartbeatMs: number,
  now: number,
): Worth[] {
  if (alive === 'dead') {
    const what = 'its process is gone, and what it left is recovered by the next supervisor to open'
    return [reasonOf('supervisor_dead', 'degraded', what)]
  }
  if (stopped)
    return [reasonOf('supervisor_stopped', 'unresponsive', 'its process is stopped: nothing of it moves')]
  if (alive === 'alive') {
    const what = 'its process lives and does not answer: its disk hangs, or its machine is overloaded'
    return [reasonOf('supervisor_silent', 'unresponsive', what)]
  }
  // One of another machine says what there is to say with its renewals.
  if (heartbeatMs >= record.ttl) {
    const what = `its lease is over since ${ms(heartbeatMs - record.ttl)}`
    return [reasonOf('heartbeat_late', 'unresponsive', what, heartbeatMs, record.ttl)]
  }
  return record.blockedSince === null ? [] : blockedReasons(now - record.blockedSince)
}

function keeperReasons(health: KeeperHealth, ttl: number): Worth[] {
  const { hostLoop, keeperDelayMs, renewedMs, leftBehind, locksOverdue, memory } = health
  const limit = thresholds
  const found: Array<Worth | null> = [
    ...blockedReasons(health.hostBlockedMs),
    above(
      'host_loop_slow',
      hostLoop?.p99Ms ?? 0,
      limit.hostLoopP99Ms,
      (n) => `the event loop of its host is late by ${ms(n)} in one of a hundred turns`,
    ),
    above(
      'host_loop_busy',
      hostLoop?.utilization ?? 0,
      limit.hostLoopUtilization,
      (n) => `the event loop of its host is busy ${Math.round(n * 100)}% of the time`,
    ),
    above(
      'keeper_slow',
      keeperDelayMs,
      limit.keeperDelayMs,
      (n) => `its keeper’s own loop was late by ${ms(n)}: the machine is overloaded`,
    ),
    above(
      'heartbeat_late',
      renewedMs,
      ttl * limit.heartbeatPartOfTtl,
      (n) => `its leases were renewed ${ms(n)} ago, and live for ${ms(ttl)}`,
    ),
    ...commitReasons(health),
    above(
      'callbacks_left_behind',
      leftBehind,
      limit.leftBehind,
      (n) =>
        `${n === 1 ? 'a callback' : `${n} callbacks`} of runs that have ended still go on: find out what they wait for`,
    ),
    above(
      'endings_aside',
      health.endings.aside,
      limit.endingsAside,
      (n) => `its handler has had ${n === 1 ? 'an ending' : `${n} endings`} for long and does not come back`,
    ),
    above(
      'lock_overdue',
      locksOverdue,
      limit.locksOverdue,
      (n) =>
        `${n === 1 ? 'a session is' : `${n} sessions are`} held for longer than the bounds of the run allow`,
    ),
    above(
      'memory_grows',
      memory.bytesPerMinute ?? 0,
      limit.memoryBytesPerMinute,
      (n) =>
        `its process grows by ${formatRoughSize(n)} a minute, and has ${formatRoughSize(memory.residentBytes)}`,
    ),
  ]
  return found.filter((one) => one !== null)
}

function blockedReasons(blockedMs: number): Worth[] {
  const { hostBlockedDegradedMs, hostBlockedUnresponsiveMs } = thresholds
  if (blockedMs < hostBlockedDegradedMs) return []
  const isBad = blockedMs >= hostBlockedUnresponsiveMs
  const message = `the event loop of its host has been blocked for ${ms(blockedMs)}`
  const threshold = isBad ? hostBlockedUnresponsiveMs : hostBlockedDegradedMs
  return [reasonOf('host_blocked', isBad ? 'unresponsive' : 'degraded', message, blockedMs, threshold)]
}

function commitReasons({ commits, storeTrouble }: KeeperHealth): Array<Worth | null> {
  const { commitP99Ms, commitPendingMs } = thresholds
  return [
    storeTrouble === null
      ? null
      : reasonOf(
          'store_trouble',
          'degraded',
          `the store takes none of its writes since ${storeTrouble.since}: ${storeTrouble.error}`,
        ),
    commits.pendingMs >= commitPendingMs
      ? above(
          'store_slow',
          commits.pendingMs,
          commitPendingMs,
          (n) => `a write waits for the store for ${ms(n)}`,
        )
      : above(
          'store_slow',
          commits.p99 ?? 0,
          commitP99Ms,
          (n) => `one of a hundred commits takes ${ms(Math.round(n))} or longer`,
        ),
  ]
}

function storeReasons({ location, storeError }: HealthFacts): HealthReason[] {
  if (storeError === null) return []
  const message = `the store ${location} does not answer: ${storeError}`
  return [{ ...reasonOf('store_silent', 'unresponsive', message), supervisor: null }]
}

function censusReasons({ census, untoldEndings }: HealthFacts, now: number): HealthReason[] {
  if (census === null) return []
  const { longestWait, openBreakers } = census
  const found = [
    longestWait &&
      above(
        'wait_long',
        now - longestWait.since,
        thresholds.longestWaitMs,
        (n) =>
          `run ${longestWait.run} has waited for session ${longestWait.session} for ${ms(n)}: coppice why ${longestWait.session}`,
      ),
    above(
      'endings_untold',
      untoldEndings ?? 0,
      thresholds.unacknowledgedEndings,
      (n) => `${n} endings are told to nobody: no supervisor has a handler for them, or it fails`,
    ),
    above('breaker_open', openBreakers.length, thresholds.openBreakers, (n) => {
      const sessions = openBreakers.slice(0, 3).map(({ session }) => session)
      return `${n === 1 ? 'the breaker of a session is' : `the breakers of ${n} sessions are`} open: ${sessions.join(', ')}${n > 3 ? ', …' : ''}`
    }),
  ]
  return found.flatMap((one) => (one === null ? [] : [{ ...one, supervisor: null }]))
}

function checkReasons(checks: Checks): HealthReason[] {
  return Object.entries(checks).flatMap(([name, { ok, message }]) =>
    ok
      ? []
      : [{ ...reasonOf('check_failed', 'degraded', `check ${name} failed: ${message}`), supervisor: null }],
  )
}

function above(
  what: HealthReason['what'],
  measured: number,
  threshold: number,
  message: (measured: number) => string,
): Worth | null {
  return measured < threshold ? null : reasonOf(what, 'degraded', message(measured), measured, threshold)
}

/** By the store, which knows those of silent supervisors too; its bound is known to its keeper alone. */
function oldestLock({ census }: HealthFacts, healths: readonly KeeperHealth[], now: number): LockAge | null {
  const told = healths.flatMap(({ oldestLock }) => oldestLock ?? [])
  if (census === null) return told.toSorted((a, b) => b.heldMs - a.heldMs)[0] ?? null
  if (census.oldestLock === null) return null
  const { run, session, since } = census.oldestLock
  return (
    told.find((lock) => lock.run === run) ?? { run, session, heldMs: Math.max(0, now - since), boundMs: null }
  )
}
