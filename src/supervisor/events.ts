import type { Proof } from '../proof.js'
import type { Cause } from '../runs/causes.js'
import type { State, TerminalState } from '../runs/states.js'

/**
 * What a supervisor tells whoever listens: facts that have happened, each once. Nothing waits for a listener, and nothing
 * depends on one. Times are ISO 8601, durations milliseconds.
 */
export interface SupervisorEvents {
  readonly transition: Transition
  readonly stallWarning: StallWarning
  readonly leftBehind: LeftBehind
  readonly recovered: Recovered
  readonly storeTrouble: StoreTrouble
}

export type EventName = keyof SupervisorEvents

export const eventNames = [
  'transition',
  'stallWarning',
  'leftBehind',
  'recovered',
  'storeTrouble',
] as const satisfies readonly EventName[]

/** A run of this supervisor went from one state to another. */
export interface Transition {
  readonly run: string
  readonly session: string | null
  /** Null for a run that is new, and has to wait. */
  readonly from: State | null
  readonly to: State
  /** From `stopping` on. */
  readonly cause: Cause | null
  readonly message: string | null
  /** From `running` on; null for a run that was never admitted. */
  readonly fence: number | null
  /** How long it waited for its session; null while it waits. */
  readonly waitedMs: number | null
  /** From admission to end; null before the end. */
  readonly durationMs: number | null
  readonly at: string
}

/** Half of a run's `stallTimeout` is over without a sign of progress: it will be ended as `stalled` if it goes on like that. */
export interface StallWarning {
  readonly run: string
  readonly session: string | null
  /** Since its last sign of progress. */
  readonly idleMs: number
  /** What it is at, in words; a command with its arguments. */
  readonly doing: string
  readonly at: string
}

/** A run has ended without its callback, which had not settled and may go on: whatever it does now is refused. */
export interface LeftBehind {
  readonly run: string
  readonly session: string | null
  readonly fence: number | null
  readonly state: TerminalState
  readonly cause: Cause
  readonly durationMs: number
  readonly at: string
}

/** A run of a supervisor that is gone has been ended from here, and its session is free. */
export interface Recovered {
  readonly run: string
  readonly session: string | null
  /** Whose run it was. */
  readonly from: { readonly supervisor: string; readonly host: string; readonly pid: number }
  readonly state: TerminalState
  readonly cause: Cause
  /** How many processes of it had to be killed. */
  readonly killed: number
  /** What is known of its trees; null where it had launched none. */
  readonly proof: Proof | null
  readonly at: string
}

/** The store takes no writes, or takes them again: told when it begins and when it ends, and not for each attempt between. */
export interface StoreTrouble {
  readonly path: string
  readonly since: string
  /** What went wrong first. */
  readonly error: string
  readonly ended: boolean
  readonly at: string
}
