import type { Proof, Survivor } from '../proof.js'
import type { Cause } from './causes.js'
import type { TerminalState } from './states.js'

/** The immutable facts of a run's end (P5, P10). Times are ISO 8601, durations milliseconds. */
export interface Outcome {
  readonly run: string
  readonly session: string | null
  readonly parent: string | null
  /** The id of the request that the run was started for. */
  readonly request: string | null
  /** Null where the run was never admitted. */
  readonly fence: number | null
  readonly state: TerminalState
  readonly cause: Cause
  /** The reason in words: the cancel's, the error's, the refusal's. */
  readonly message: string | null
  /** Whether any of its trees had to be killed, because SIGTERM and the grace did not end it. */
  readonly forced: boolean
  /** Whether the callback had settled when the run ended. */
  readonly callback: 'settled' | 'left_behind'
  /** How many trees the run launched. */
  readonly trees: number
  /** The worst proof among its trees, and every process that lived past the kill bound. Null without a tree. */
  readonly tree: { readonly proof: Proof; readonly survivors: readonly Survivor[] } | null
  readonly startedAt: string | null
  readonly endedAt: string
  /** How long it waited for its session. */
  readonly waitedMs: number
  /** From admission to end; 0 where it was never admitted. */
  readonly durationMs: number
}
