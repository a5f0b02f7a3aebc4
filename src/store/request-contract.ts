import type { Hold, StoredRun } from './records.js'

/**
 * What a run is started for. A request is stored by the admission that brings it, before anything else, and is one per
 * session: the same id again is the same request, whatever became of it.
 *
 * A try counts when a callback is called for it. Where its run is lost, or never began, it is pending: to be run again,
 * until it was tried as often as its `maxTries` says.
 */
export interface RequestVerbs {
  /** What became of a request; null where there is none of that id. */
  request(session: string | null, id: string): Promise<StoredRequest | null>
  /** Those that no run has and that one is to have, in the order in which they came. */
  pending(filter: PendingFilter): Promise<PendingRequest[]>
  /** Counts a try of the run's request before its callback is called, once, where its admission has not done so. */
  begun(hold: Hold): Promise<number>
  /**
   * Notes that messages of the run are done, then takes the next of its inbox, `take` at most, each of which counts as a
   * try from then on. `have` is how many it has taken before.
   */
  messages(
    hold: Hold,
    ask: { readonly done: readonly string[]; readonly have: number; readonly take: number },
  ): Promise<Message[]>
}

export interface StoredRequest {
  /** `open`: its run is under way or has ended it. `inbox`: it is a message of that run. */
  readonly state: 'open' | 'inbox' | 'pending' | 'refused'
  /** The run that has it, or had it last. */
  readonly run: StoredRun
  readonly tries: number
}

export interface PendingFilter {
  readonly session?: string
  /** A position: only what stands after it. */
  readonly after?: string
  /** 100 where it is not said, and never over 1,000. A page of large payloads may be shorter; only an empty one is the end. */
  readonly limit?: number
}

export interface PendingRequest {
  readonly position: string
  readonly session: string | null
  readonly id: string
  /** JSON text. */
  readonly payload: string
  readonly tries: number
  readonly maxTries: number
  /** The run that had it last; null where that is forgotten by now. */
  readonly run: string | null
  readonly at: number
}

/** What a run's request brings to its callback. */
export interface RequestFacts {
  /** JSON text, as it was stored first. */
  readonly payload: string
  /** This one counted, where it has begun. */
  readonly tries: number
}

/** A request as the ending of its run tells it. */
export interface ToldRequest extends Message {
  /** Whether it is to be run again, or another run has it already. */
  readonly pending: boolean
}

/** A request that was handed to a run while that ran. */
export interface Message {
  readonly id: string
  /** JSON text. */
  readonly payload: string
  /** This one counted. */
  readonly tries: number
}
