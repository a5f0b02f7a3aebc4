import type { Census, CommitTimes } from '../store/looking-contract.js'
import type { SupervisorRecord } from '../store/records.js'

/** How a supervisor is, as its keeper sees it. */
export interface KeeperHealth {
  readonly supervisor: string
  readonly pid: number
  /** Milliseconds that the host's event loop has not answered; 0 while it turns. */
  readonly hostBlockedMs: number
  /** How the host's event loop does, as the host has measured it; null before its first word, within two seconds of the opening. */
  readonly hostLoop: LoopTimes | null
  /** The longest delay of the keeper's own event loop since it was asked last, in milliseconds. */
  readonly keeperDelayMs: number
  /** Milliseconds since its leases were renewed. */
  readonly renewedMs: number
  readonly running: number
  readonly waiting: number
  readonly stopping: number
  readonly trees: number
  /** Callbacks of ended runs that had not settled and still have not: they hold what they hold. */
  readonly leftBehind: number
  /** Of its runs: the one that has held its session for longest. */
  readonly oldestLock: LockAge | null
  /** Runs that hold a session for longer than their own bounds allow. */
  readonly locksOverdue: number
  readonly commits: CommitTimes
  /** Since when the store takes no writes, and why; null while it does. */
  readonly storeTrouble: { readonly since: string; readonly error: string } | null
  /** Of the whole process. */
  readonly memory: MemoryUse
  /** Endings that it is to tell, and how many of them the host's handler has; `aside` those that it has had for long. */
  readonly endings: { readonly untold: number; readonly underWay: number; readonly aside: number }
}

export interface LockAge {
  readonly run: string
  readonly session: string
  readonly heldMs: number
  /** The most that it may be held: timeout, grace, kill bound and drain bound together; null for any time. */
  readonly boundMs: number | null
}

/** How an event loop did in the last 15 to 40 seconds. Delays are milliseconds beyond what was asked for. */
export interface LoopTimes {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** The part of the time in which it was busy, 0 to 1. */
  readonly utilization: number
  readonly windowMs: number
}

export interface MemoryUse {
  readonly residentBytes: number
  /** How fast that grows, by a line through the last ten minutes; null before there are two minutes to tell it from. */
  readonly bytesPerMinute: number | null
}

export interface SeenSupervisor {
  readonly record: SupervisorRecord
  readonly alive: 'alive' | 'dead' | 'unknown'
  /** Whether its process is stopped, as by SIGSTOP: it lives and does nothing. */
  readonly stopped: boolean
  /** Null where it did not answer. */
  readonly health: KeeperHealth | null
}

export interface HealthFacts {
  readonly location: string
  /** Milliseconds that the store took to answer; null where it did not. */
  readonly storeMs: number | null
  readonly storeError: string | null
  readonly census: Census | null
  /** How many endings nobody has acknowledged; null where the store does not answer. */
  readonly untoldEndings: number | null
  readonly supervisors: readonly SeenSupervisor[]
}
