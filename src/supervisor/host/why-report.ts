import type { Cause } from '../../runs/causes.js'
import type { State } from '../../runs/states.js'
import type { LiveSubagent, RunningCommand } from '../doing.js'
import type { BreakerView, RunView } from './views.js'

/** Why a session is not free, or that it is. Times are ISO 8601, durations milliseconds. */
export interface WhyView {
  readonly session: string
  readonly state: 'free' | 'held'
  /** All of it in one sentence, for a person. */
  readonly sentence: string
  /** The command that would end it now; null where there is nothing to end. */
  readonly command: string | null
  readonly holder: WhyHolder | null
  /** How many runs wait for it. */
  readonly queueLength: number
  /** In the order in which they get it; the first 1,000. */
  readonly waiting: ReadonlyArray<{
    readonly run: string
    readonly since: string
    readonly waitedMs: number
    readonly pid: number
  }>
  readonly breaker: BreakerView | null
  /** The run that has ended last in it; null where there is none. */
  readonly last: RunView | null
}

export interface WhyHolder {
  readonly run: string
  readonly state: State
  readonly parent: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly since: string
  readonly heldMs: number
  readonly supervisor: {
    readonly id: string
    readonly host: string
    readonly pid: number
    /**
     * `host_blocked`: its keeper answers, and its event loop does not. `stopped`: as by SIGSTOP. `silent`: it lives and does
     * not answer. `elsewhere`: on a machine from which nothing can be asked.
     */
    readonly condition: 'well' | 'host_blocked' | 'stopped' | 'silent' | 'dead' | 'elsewhere'
    /** For how long its event loop has been blocked; 0 while it turns. */
    readonly hostBlockedMs: number
    readonly leaseEndsAt: string
  }
  /** In words; null where nobody says it. */
  readonly doing: string | null
  readonly label: string | null
  /** Since its last sign of progress; null where nobody says it. */
  readonly idleMs: number | null
  readonly waitsFor: RunView['waitsFor']
  readonly commands: readonly RunningCommand[]
  readonly subagents: readonly LiveSubagent[]
  /** When it is over by itself at the latest; null where it has no timeout, or nobody says it. */
  readonly endsBy: string | null
  readonly stopping: {
    readonly cause: Cause
    readonly message: string | null
    readonly since: string | null
    /** Null where nobody says it. */
    readonly graceLeftMs: number | null
  } | null
}
