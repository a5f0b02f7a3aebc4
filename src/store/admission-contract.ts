import type { Breaker, BreakerRules } from '../runs/breaker.js'
import type { Cause } from '../runs/causes.js'
import type { Outcome } from '../runs/outcome.js'
import type { SubagentLimit } from '../runs/subagents.js'
import type { StoredRun } from './records.js'
import type { RequestFacts } from './request-contract.js'

/** How a run comes to have its session, and what becomes of one that does not. */
export interface AdmissionVerbs {
  /**
   * Writes a new run down: it is admitted where its session is free and nobody fresh waits before it, else it waits.
   * The same admission again answers with what became of the run, and admits it where its time has come: so a waiter
   * that was passed over while its supervisor slept gets in. A run that would wait behind more than `maxWaiters`, or
   * beside more than `mostWaiting` of its supervisor, close a ring of waits, be a subagent beyond what its parent's
   * supervisor allows, or whose session's breaker is open, is written down as refused. With a breaker that has been open
   * long enough it is the trial. `run_ended` where the run has ended, or where its parent is not running any more;
   * `supervisor_closed` where its supervisor is not known.
   *
   * A request that is stored already is not written again: where a run has it, or has ended it, that is the answer and this
   * run is not written down. One that is pending, or was refused, is this run's; it is refused itself where it was tried as
   * often as it may be.
   */
  admit(admission: Admission): Promise<Admitted | Queued | Refused | Delivered | Existing>
  /**
   * Writes a new run down as refused that its supervisor has no room for. Where its request is another run's, or goes to the
   * one that holds the session, it needs none, and the answer is that of `admit`.
   */
  refuse(admission: Admission, cause: Cause, message: string): Promise<Refused | Delivered | Existing>
  /** How many runs wait for a session. */
  queueLength(session: string): Promise<number>
  /** The runs that wait for a session, in the order in which they get it; 1,000 at most. */
  waiters(session: string): Promise<StoredRun[]>
  /** This supervisor's waiting runs whose session nobody holds, the first of each queue first. */
  stranded(supervisor: string): Promise<string[]>
  /** Ends a waiting run that gives up. Where it has been admitted meanwhile, it says so and ends nothing. */
  endIfWaiting(run: string, cause: Cause, message: string | null, at: number): Promise<StoredRun>
}

export interface Admission {
  readonly run: string
  readonly supervisor: string
  /** Null for a run that locks nothing: it is always admitted. */
  readonly session: string | null
  readonly parent: string | null
  /** The payload is JSON text; null for that of a request that is stored already, or else `null`. */
  readonly request: { readonly id: string; readonly payload: string | null } | null
  /** How often the request may be tried. */
  readonly maxTries: number
  /** Whether its callback is called as soon as it is admitted, so that this counts as a try at once. */
  readonly begins: boolean
  /** Whether its request is handed to the run that holds the session, where one does that is not about to end. */
  readonly delivers: boolean
  /** Whether its ending is told though it has no request. */
  readonly tells: boolean
  readonly priority: Priority
  /** Whether the session's holder is stopped for it, as `interrupted`; it is admitted before all that wait. */
  readonly interrupts: boolean
  /** How many runs may wait for the session, this one among them. */
  readonly maxWaiters: number
  /** How many runs of the supervisor may wait for whichever session, this one among them; null for any number. */
  readonly mostWaiting: number | null
  /** What opens the session's breaker; null for a run that brings no rules. */
  readonly breaker: BreakerRules | null
  /** JSON text. */
  readonly labels: string | null
  readonly at: number
}

export type Priority = 'interactive' | 'background'

export interface Admitted {
  readonly state: 'running'
  readonly fence: number
  readonly at: number
  /** Of its request, where it has one. */
  readonly request?: RequestFacts
}

/** The request is a message of another run's inbox; the run that was to be admitted is not written down. */
export interface Delivered {
  readonly state: 'delivered'
  /** Whom to tell of it. */
  readonly run: StoredRun
}

/** The request is another run's; the run that was to be admitted is not written down. */
export interface Existing {
  readonly state: 'existing'
  readonly run: StoredRun
}

export interface Queued {
  readonly state: 'waiting'
  /** Of its request, where it has one. */
  readonly request?: RequestFacts
  /** Null for a moment at most: the holder ended, and another waiter is about to be admitted. */
  readonly holder: StoredRun | null
  /** How many runs wait for the session, this one among them. */
  readonly queueLength: number
}

/** A run that is not to wait: it is terminal, without ever having had its session. */
export interface Refused {
  readonly state: 'refused'
  readonly outcome: Outcome
  readonly holder: StoredRun | null
  /** How many others wait for the session. */
  readonly queueLength: number
  /** Of a deadlock: the runs of the ring, each waiting for what the next holds. */
  readonly ring: readonly string[] | null
  /** Of `breaker_open`: the breaker. */
  readonly breaker: Breaker | null
  /** Of `subagent_limit`: the limit. */
  readonly limit: SubagentLimit | null
  /** Of `request_exhausted`: how often the request was tried. */
  readonly tries?: number
}
