import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { HealthFacts, KeeperHealth, SeenSupervisor } from '#src/supervisor/health.js'
import { judge } from '#src/supervisor/host/health-judge.js'
import { thresholds } from '#src/supervisor/host/health-report.js'

const now = Date.parse('2026-01-02T03:04:05Z')
const ttl = 30_000

const well: KeeperHealth = {
  supervisor: 's1',
  pid: 12,
  hostBlockedMs: 0,
  hostLoop: { p50Ms: 0, p99Ms: 2, maxMs: 5, utilization: 0.1, windowMs: 20_000 },
  keeperDelayMs: 3,
  renewedMs: 4_000,
  running: 1,
  waiting: 0,
  stopping: 0,
  trees: 1,
  leftBehind: 0,
  oldestLock: { run: 'r1', session: 'a', heldMs: 1_000, boundMs: 617_000 },
  locksOverdue: 0,
  commits: { count: 10, p50: 1, p99: 2, max: 3, pendingMs: 0 },
  storeTrouble: null,
  endings: { untold: 0, underWay: 0, aside: 0 },
  memory: { residentBytes: 100 * 1024 ** 2, bytesPerMinute: 0 },
}

function seen(health: Partial<KeeperHealth> | null, rest: Partial<SeenSupervisor> = {}): SeenSupervisor {
  const identity = { pid: 12, startTime: '1', bootId: 'b', pidNamespace: 'n' }
  const record = {
    id: 's1',
    host: 'h',
    identity,
    socket: null,
    startedAt: now,
    renewedAt: now,
    ttl,
    blockedSince: null,
  }
  return { record, alive: 'alive', stopped: false, health: health && { ...well, ...health }, ...rest }
}

function facts(supervisor: SeenSupervisor, rest: Partial<HealthFacts> = {}): HealthFacts {
  const census = {
    waiting: 0,
    running: 1,
    stopping: 0,
    oldestLock: { run: 'r1', session: 'a', supervisor: 's1', since: now - 2_000 },
    longestWait: null,
    openBreakers: [],
  }
  return {
    location: '/s.db',
    storeMs: 1,
    storeError: null,
    census,
    untoldEndings: 0,
    supervisors: [supervisor],
    ...rest,
  }
}

const whatOf = (known: HealthFacts) => {
  const { verdict, reasons } = judge(known, {}, now)
  return [verdict, ...reasons.map(({ what }) => what)]
}

describe('P10: the verdict on a supervisor', () => {
  test('is ok where nothing reaches its threshold', () => {
    expect(judge(facts(seen({})), {}, now)).toMatchObject({
      verdict: 'ok',
      reasons: [],
      oldestLock: { run: 'r1', boundMs: 617_000 },
      supervisors: [{ supervisor: 's1', verdict: 'ok', heartbeatMs: 4_000 }],
    })
  })

  // Each: just below the threshold, at it, the reason, and the verdict.
  const at = thresholds
  const commits = (part: Partial<KeeperHealth['commits']>) => ({ commits: { ...well.commits, ...part } })
  const loop = (part: object) => ({
    hostLoop: { p50Ms: 0, p99Ms: 0, maxMs: 0, utilization: 0, windowMs: 1, ...part },
  })
  const memory = (bytesPerMinute: number) => ({ memory: { residentBytes: 1024 ** 3, bytesPerMinute } })
  test.each<[Partial<KeeperHealth>, Partial<KeeperHealth>, string, string]>([
    [
      { hostBlockedMs: at.hostBlockedDegradedMs - 1 },
      { hostBlockedMs: at.hostBlockedDegradedMs },
      'host_blocked',
      'degraded',
    ],
    [{ hostBlockedMs: 0 }, { hostBlockedMs: at.hostBlockedUnresponsiveMs }, 'host_blocked', 'unresponsive'],
    [loop({ p99Ms: at.hostLoopP99Ms - 1 }), loop({ p99Ms: at.hostLoopP99Ms }), 'host_loop_slow', 'degraded'],
    [
      loop({ utilization: 0.94 }),
      loop({ utilization: at.hostLoopUtilization }),
      'host_loop_busy',
      'degraded',
    ],
    [{ keeperDelayMs: at.keeperDelayMs - 1 }, { keeperDelayMs: at.keeperDelayMs }, 'keeper_slow', 'degraded'],
    [{ renewedMs: ttl / 2 - 1 }, { renewedMs: ttl * at.heartbeatPartOfTtl }, 'heartbeat_late', 'degraded'],
    [commits({ p99: at.commitP99Ms - 1 }), commits({ p99: at.commitP99Ms }), 'store_slow', 'degraded'],
    [
      commits({ pendingMs: at.commitPendingMs - 1 }),
      commits({ pendingMs: at.commitPendingMs }),
      'store_slow',
      'degraded',
    ],
    [
      { storeTrouble: null },
      { storeTrouble: { since: 'then', error: 'disk full' } },
      'store_trouble',
      'degraded',
    ],
    [{ leftBehind: 0 }, { leftBehind: at.leftBehind }, 'callbacks_left_behind', 'degraded'],
    [{ locksOverdue: 0 }, { locksOverdue: at.locksOverdue }, 'lock_overdue', 'degraded'],
    [memory(at.memoryBytesPerMinute - 1), memory(at.memoryBytesPerMinute), 'memory_grows', 'degraded'],
    [
      { endings: { untold: 9, underWay: 9, aside: at.endingsAside - 1 } },
      { endings: { untold: 9, underWay: 9, aside: at.endingsAside } },
      'endings_aside',
      'degraded',
    ],
  ])('%j is ok, %j is %s: %s', (below, above, what, verdict) => {
    expect(whatOf(facts(seen(below)))).toEqual(['ok'])
    expect(whatOf(facts(seen(above)))).toEqual([verdict, what])
    const [reason] = judge(facts(seen(above)), {}, now).reasons
    expect(reason).toMatchObject({
      supervisor: 's1',
      message: expect.stringMatching(/^supervisor pid 12 on h: /),
    })
  })

  test('that does not answer: dead, stopped, silent, or of another machine', () => {
    expect(whatOf(facts(seen(null, { alive: 'dead' })))).toEqual(['degraded', 'supervisor_dead'])
    expect(whatOf(facts(seen(null, { stopped: true })))).toEqual(['unresponsive', 'supervisor_stopped'])
    expect(whatOf(facts(seen(null)))).toEqual(['unresponsive', 'supervisor_silent'])
    const elsewhere = seen(null, { alive: 'unknown' })
    const record = (part: object) => ({ ...elsewhere, record: { ...elsewhere.record, ...part } })
    expect(whatOf(facts(elsewhere))).toEqual(['ok'])
    expect(whatOf(facts(record({ renewedAt: now - ttl })))).toEqual(['unresponsive', 'heartbeat_late'])
    expect(whatOf(facts(record({ blockedSince: now - 6_000 })))).toEqual(['unresponsive', 'host_blocked'])
  })
})

describe('P10: the verdict on the rest', () => {
  const census = facts(seen({})).census
  const withCensus = (part: object) => facts(seen({}), { census: census && { ...census, ...part } })

  test('a store that does not answer is unresponsive', () => {
    const silent = facts(seen({}), { storeError: 'no answer within 800 ms', storeMs: null, census: null })
    expect(whatOf(silent)).toEqual(['unresponsive', 'store_silent'])
    expect(judge(silent, {}, now)).toMatchObject({ runs: null, oldestLock: { run: 'r1' } })
  })

  test('a wait that is long, an open breaker, a check that failed', () => {
    const wait = (waited: number) => ({ longestWait: { run: 'r2', session: 'a', since: now - waited } })
    expect(whatOf(withCensus(wait(thresholds.longestWaitMs - 1)))).toEqual(['ok'])
    expect(whatOf(withCensus(wait(thresholds.longestWaitMs)))).toEqual(['degraded', 'wait_long'])
    const opened = { since: now, why: 'so', retryAt: now, trial: null }
    const breaker = { rules: { failures: 1, cooldown: 1, counts: [] }, failures: 1, opened }
    expect(whatOf(withCensus({ openBreakers: [{ session: 'b', breaker }] }))).toEqual([
      'degraded',
      'breaker_open',
    ])
    const untold = (count: number) => facts(seen({}), { untoldEndings: count })
    expect(whatOf(untold(thresholds.unacknowledgedEndings - 1))).toEqual(['ok'])
    expect(whatOf(untold(thresholds.unacknowledgedEndings))).toEqual(['degraded', 'endings_untold'])
    const failed = { channel: { ok: false, tookMs: 1, message: 'gone' } }
    expect(judge(facts(seen({})), failed, now)).toMatchObject({
      verdict: 'degraded',
      reasons: [{ what: 'check_failed', supervisor: null, message: 'check channel failed: gone' }],
    })
  })
})

test('every threshold stands in the documentation with its number', () => {
  const text = readFileSync(new URL('../../docs/health.md', import.meta.url), 'utf8')
  for (const [name, value] of Object.entries(thresholds)) expect(text).toContain(`| \`${name}\` | ${value} |`)
})
