import type { CommitTimes } from '../../store/looking-contract.js'
import type { HealthFacts, LockAge, LoopTimes, MemoryUse } from '../health.js'
import type { BreakerView, SupervisorView } from './views.js'

/** What `supervisor.health()` resolves to, and `coppice health --json` prints. Times are ISO 8601, durations milliseconds. */

/** `unresponsive`: somebody has to act now. `degraded`: it works, and something is not as it should be. */
export type HealthVerdict = 'ok' | 'degraded' | 'unresponsive'

export interface HealthReport {
  /** The worst of the reasons; `ok` where there is none. */
  readonly verdict: HealthVerdict
  readonly reasons: readonly HealthReason[]
  readonly at: string
  readonly state: {
    readonly path: string
    /** How long the store took to answer; null where it did not. */
    readonly answeredMs: number | null
    readonly error: string | null
  }
  /** Those that have not ended; null where the store does not answer. */
  readonly runs: { readonly waiting: number; readonly running: number; readonly stopping: number } | null
  /** Callbacks that were left behind by their runs' ends and still have not settled, of every supervisor that answers. */
  readonly leftBehind: number
  /** The session that has been held for longest. */
  readonly oldestLock: LockAge | null
  readonly longestWait: { readonly run: string; readonly session: string; readonly waitedMs: number } | null
  readonly openBreakers: ReadonlyArray<{ readonly session: string } & BreakerView>
  /** Endings that no handler has acknowledged; null where the store does not answer. */
  readonly unacknowledgedEndings: number | null
  readonly supervisors: readonly SupervisorHealth[]
  /** Of the host's own, by their names; empty from outside, where nobody can ask them. */
  readonly checks: Readonly<Record<string, HealthCheckResult>>
  readonly thresholds: Readonly<Record<keyof typeof thresholds, number>>
}

export interface SupervisorHealth extends SupervisorView {
  readonly verdict: HealthVerdict
  /** Since its leases were renewed. */
  readonly heartbeatMs: number
}

export interface HealthReason {
  readonly what: ReasonName
  readonly verdict: Exclude<HealthVerdict, 'ok'>
  /** The supervisor that it is of; null where it is of none. */
  readonly supervisor: string | null
  /** In the threshold's unit; null where there is nothing to measure. */
  readonly measured: number | null
  readonly threshold: number | null
  readonly message: string
}

export type ReasonName =
  | 'store_silent'
  | 'store_trouble'
  | 'store_slow'
  | 'supervisor_dead'
  | 'supervisor_stopped'
  | 'supervisor_silent'
  | 'heartbeat_late'
  | 'host_blocked'
  | 'host_loop_slow'
  | 'host_loop_busy'
  | 'keeper_slow'
  | 'callbacks_left_behind'
  | 'lock_overdue'
  | 'wait_long'
  | 'breaker_open'
  | 'memory_grows'
  | 'endings_aside'
  | 'endings_untold'
  | 'check_failed'

export interface HealthCheckResult {
  readonly ok: boolean
  readonly tookMs: number
  /** What it returned, where that is a text, or why it failed. */
  readonly message: string | null
}

/** From these on a number is a reason. */
export const thresholds = {
  /** Milliseconds that the host's loop has not turned: a busy turn of work is no matter, a blocked loop is. */
  hostBlockedDegradedMs: 1_000,
  hostBlockedUnresponsiveMs: 5_000,
  /** A loop that late in one of a hundred turns makes every session's answers late. */
  hostLoopP99Ms: 250,
  /** Part of the time: there is no room left for a burst. */
  hostLoopUtilization: 0.95,
  /** The keeper's loop has nothing that takes longer than a few milliseconds. */
  keeperDelayMs: 1_000,
  commitP99Ms: 500,
  /** Since the oldest write that is not on the disk. */
  commitPendingMs: 2_000,
  /** Of the lease's life; a renewal is due after a third of it. */
  heartbeatPartOfTtl: 0.5,
  leftBehind: 1,
  locksOverdue: 1,
  longestWaitMs: 60 * 60_000,
  openBreakers: 1,
  /** What a handler has had for more than 250 milliseconds moves aside, where there is room for 2,000. */
  endingsAside: 1_000,
  unacknowledgedEndings: 1_000,
  /** 160 MB in the ten minutes that the slope is of. */
  memoryBytesPerMinute: 16 * 1024 * 1024,
} as const

export type { CommitTimes, HealthFacts, LockAge, LoopTimes, MemoryUse }
