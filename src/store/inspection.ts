import type { Identity } from '../identity.js'
import type { Breaker } from '../runs/breaker.js'
import type { StoredRun, StoredTree, SupervisorRecord } from './records.js'

/**
 * What whoever is on call wants to know of a store, read without changing it. Each list is bounded, and read from one
 * committed state.
 */
export interface StoreInspection {
  readonly schema: number
  /** The supervisors that are not closed. */
  readonly supervisors: readonly SupervisorRecord[]
  /** The runs that are not terminal, with their trees that have not ended. */
  readonly live: ReadonlyArray<{ readonly run: StoredRun; readonly trees: readonly StoredTree[] }>
  /** Of the latest runs: what outlived its kill bound. */
  readonly survivors: ReadonlyArray<{
    readonly run: string
    readonly process: Identity
    readonly name: string
  }>
  readonly breakers: ReadonlyArray<{ readonly session: string; readonly breaker: Breaker }>
  /** How many requests no run has and one is to have. */
  readonly pending: number
  /** Those of them that were tried as often as they may be. */
  readonly exhausted: readonly ExhaustedRequest[]
  readonly untold: UntoldEndings
  /** Those of the runs that were asked for by their ids and have ended. */
  readonly ended: readonly StoredRun[]
}

export interface ExhaustedRequest {
  readonly session: string | null
  readonly request: string
  readonly tries: number
  /** The run that had it last. */
  readonly run: string
  /** When it came first. */
  readonly at: number
}

/** Endings that nobody has acknowledged. */
export interface UntoldEndings {
  readonly count: number
  /** The first of them, in the order in which they are to be told. */
  readonly oldest: { readonly run: string; readonly session: string | null; readonly endedAt: number } | null
}
