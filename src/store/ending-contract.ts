import type { Outcome } from '../runs/outcome.js'
import type { Hold, ThrownRecord } from './records.js'
import type { Message, ToldRequest } from './request-contract.js'

/**
 * The end of a run, and the way of its ending to the host. The ending of a run that has a request, that was handed messages,
 * or that asks for it, is put into an outbox by the transaction that ends it, and stays there until it is acknowledged: so it
 * is told at least once, whatever dies in between. Those of one session are told in the order of their commits, by one
 * supervisor at a time.
 */
export interface EndingVerbs {
  /**
   * The end of a run, its lock and its trees; the next waiter of the session is admitted, or all are refused where this
   * end opens the session's breaker. See `Finished`. A run whose subagents live does not end: whoever ends it ends them
   * first.
   */
  finishIfHeld(hold: Hold, ending: EndingRecord): Promise<Finished>

  /**
   * Endings that this supervisor is to tell from now on: those that are nobody's, or a supervisor's that has left or whose
   * leases are over, unless an earlier one of their session is another's. In the order of their commits.
   */
  claimEndings(supervisor: string, limit: number, at: number): Promise<ToldEnding[]>
  /** Of these endings, those that are this supervisor's still. */
  ownEndings(supervisor: string, endings: readonly number[]): Promise<number[]>
  /** Notes that a supervisor tells endings: from then on none is forgotten that nobody was told. */
  tells(supervisor: string): Promise<void>
  /**
   * Forgets endings that were told. Where a session was held for one, its next waiter is admitted. A `patient` one may wait
   * a moment for other writes, and go with them: nobody waits for it, and what is told twice after a crash is so anyway.
   */
  acknowledge(endings: readonly number[], at: number, patient?: boolean): Promise<Acknowledged>
  /** Leaves these endings of a supervisor, or all but these, to whoever comes next. */
  leaveEndings(
    supervisor: string,
    which: { readonly only: readonly number[] } | { readonly except: readonly number[] },
  ): Promise<void>
  /** How many endings nobody has acknowledged. */
  untold(): Promise<number>
  /** The next waiter of a session whose hold is over; null where there is none, or somebody holds it. */
  admitWaiting(session: string, at: number): Promise<Finished['admitted']>
}

/** The end of a run, as whoever ends it knows it. */
export interface EndingRecord
  extends Pick<Outcome, 'cause' | 'message' | 'forced' | 'callback' | 'trees' | 'tree'> {
  /** What the callback threw. */
  readonly error: ThrownRecord | null
  /** False where the callback was never called; null where that is not known, and the store says. */
  readonly begun: boolean | null
  /** Messages that the run took and that are through because its callback has returned. */
  readonly through: readonly string[]
  readonly telling: Telling | null
  readonly at: number
}

export interface Finished {
  /** As stored: where the run was terminal already, the outcome of its first end. */
  readonly outcome: Outcome
  /** The run that has the session now, and whom to wake for it. */
  readonly admitted: (Hold & { readonly socket: string | null }) | null
  /** The waiters that were refused because this end has opened the session's breaker, and whom to tell of it. */
  readonly refused: ReadonlyArray<{ readonly run: string; readonly socket: string | null }>
  /** What its supervisor is to tell: the ending, where that is its own to tell. */
  readonly tell?: ToldEnding
  /** Whether the ending is in the outbox, and nobody's so far. */
  readonly untold?: true
}

/** How the supervisor that ends a run tells endings; null where it does not. */
export interface Telling {
  /** Whether this one may be its own: it keeps those in memory, and no more than it has room for. */
  readonly owns: boolean
  /** Milliseconds that the session's next admission may be held until this ending is acknowledged; null for none. */
  readonly hold: number | null
}

export interface ToldEnding {
  /** What it is acknowledged by: the number of its run. */
  readonly seq: number
  readonly outcome: Outcome
  readonly request: ToldRequest | null
  /** Those of its inbox that it has done. */
  readonly messages: readonly Message[]
  /** JSON text. */
  readonly draft: string | null
  readonly error: ThrownRecord | null
  readonly calls: readonly UnfinishedCall[]
}

/** A call of a model that has no result in the transcript: an API refuses a history in which one is left without. */
export interface UnfinishedCall {
  readonly callId: string
  /** How its command ended; null where none is known to have been launched: the last moment before a crash is not stored. */
  readonly exec: {
    readonly ended: string
    readonly code: number | null
    readonly signal: string | null
  } | null
}

export interface Acknowledged {
  readonly admitted: ReadonlyArray<NonNullable<Finished['admitted']>>
  /** Whether sessions of these endings have more of them that are nobody's. */
  readonly more: boolean
}

/** What of old runs is forgotten. Never an entry, an ending of a run with entries, a pending request, nor, where anybody ever told endings, an untold one. */
export interface RetentionVerbs {
  /**
   * Looks through at most `limit` runs after the number `after`, in the order in which they came, and forgets of those that
   * ended before `before`, or are not among the newest `number`, what may be forgotten. One short transaction.
   */
  prune(retention: {
    readonly before: number
    readonly number: number | null
    readonly after: number
    readonly limit: number
  }): Promise<Pruned>
}

export interface Pruned {
  /** Where to go on; null at the end. */
  readonly next: number | null
  readonly runs: number
  readonly requests: number
  readonly trees: number
}
