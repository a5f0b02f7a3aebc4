import type { Identity } from '../identity.js'
import type { Proof, Survivor } from '../proof.js'
import type { Breaker, BreakerRules } from '../runs/breaker.js'
import type { Cause } from '../runs/causes.js'
import type { Outcome } from '../runs/outcome.js'
import type { State } from '../runs/states.js'
import type { SubagentLimit, SubagentLimits } from '../runs/subagents.js'

/**
 * What a store does, each verb one whole transaction: there is no way to do half of one, and none to open a
 * transaction and think in it.
 *
 * A run is one row, and that row is also its lock and its ending: a session is held while a row of it is in
 * `running` or `stopping`, and the database allows one such row per session. So the one update that makes a run
 * terminal is what writes its ending into the transcript and releases the lock (P2).
 *
 * Every write that a run makes carries its `Hold`, and is refused with `run_lost` where the run has another owner or
 * fence by now, and else with `run_ended` where it is terminal (P6). Every write may be repeated as it is: it finds
 * what it wrote, and changes nothing. Trouble with the store itself is `store_unavailable` with its `path`.
 *
 * Times are milliseconds since the epoch, by the writer's clock.
 */
export interface Store {
  /** The file, or the URL without its password: what messages call the store. */
  readonly location: string

  /** `subagents` holds for the runs of this supervisor, as parents; 8 deep and 64 at once where it is not said. */
  register(supervisor: SupervisorRecord, subagents?: SubagentLimits): Promise<void>
  /**
   * Says that a supervisor lives, and since when its host's event loop is blocked, or null. `supervisor_closed` where the
   * store no longer knows it.
   */
  renew(supervisor: string, at: number, blockedSince: number | null): Promise<void>
  /** Forgets a supervisor that holds no run; one that holds some stays known, so that they are recovered. */
  unregister(supervisor: string, at: number): Promise<void>
  supervisors(): Promise<SupervisorRecord[]>

  /**
   * Writes a new run down: it is admitted where its session is free and nobody fresh waits before it, else it waits.
   * The same admission again answers with what became of the run, and admits it where its time has come: so a waiter
   * that was passed over while its supervisor slept gets in. A run that would wait behind more than `maxWaiters`, or
   * beside more than `mostWaiting` of its supervisor, close a ring of waits, be a subagent beyond what its parent's
   * supervisor allows, or whose session's breaker is open, is written down as refused. With a breaker that has been open
   * long enough it is the trial. `run_ended` where the run has ended, or where its parent is not running any more;
   * `supervisor_closed` where its supervisor is not known.
   */
  admit(admission: Admission): Promise<Admitted | Queued | Refused>
  /** Writes a new run down as refused that its supervisor has no room for. */
  refuse(admission: Admission, cause: Cause, message: string): Promise<Refused>
  /** How many runs wait for a session. */
  queueLength(session: string): Promise<number>
  /** This supervisor's waiting runs whose session nobody holds, the first of each queue first. */
  stranded(supervisor: string): Promise<string[]>
  /** Ends a waiting run that gives up. Where it has been admitted meanwhile, it says so and ends nothing. */
  endIfWaiting(run: string, cause: Cause, message: string | null, at: number): Promise<StoredRun>

  /** Adds an entry to the transcript and resolves to its position. `entry` is JSON text. */
  append(hold: Hold, entry: EntryRecord): Promise<string>
  /** Replaces the run's draft, JSON text, which goes into its ending. */
  draft(hold: Hold, draft: string | null): Promise<void>
  /** Replaces what the run is known to wait for: a JSON list of `StoredWait`, or null for nothing. */
  waits(hold: Hold, waits: string | null): Promise<void>
  /** Resolves while the hold is good. */
  check(hold: Hold): Promise<void>
  treeLaunched(hold: Hold, tree: TreeLaunched): Promise<void>
  treeEnded(hold: Hold, tree: TreeEnded): Promise<void>

  /**
   * Records that the run stops, and why. The cause that is stored already wins, and is what comes back; a later stop
   * can shorten its grace and nothing else.
   */
  markStopping(hold: Hold, stop: Stop, at: number): Promise<Stop>
  /**
   * The end of a run, its lock and its trees; the next waiter of the session is admitted, or all are refused where this
   * end opens the session's breaker. See `Finished`. A run whose subagents live does not end: whoever ends it ends them
   * first.
   */
  finishIfHeld(hold: Hold, ending: EndingRecord): Promise<Finished>

  /** Asks, from wherever, that a run end: a waiting one ends at once, a running one is marked stopping. */
  requestCancel(run: string, stop: Stop, at: number): Promise<StoredRun>
  /**
   * Claims a run from an owner that is dead: `stopping`, its cause `lost` unless one is recorded, this owner,
   * fence + 1. Null where the run is not as `seen` any more, its supervisor's renewal included, so that of many
   * claimants one wins. A waiting run ends as `lost` at once; the claim then has fence 0, and nothing to finish.
   */
  takeOverIfUnchanged(seen: StoredRun, supervisor: string, at: number): Promise<Hold | null>
  /** The same at an operator's word, whoever owns the run and however alive. Null where it is not live. */
  takeOverByForce(run: string, supervisor: string, at: number): Promise<Hold | null>

  run(run: string): Promise<StoredRun | null>
  runs(filter: RunFilter): Promise<StoredRun[]>
  trees(run: string): Promise<StoredTree[]>
  /** The runs whose parent it is, of whichever supervisor, that have not ended. */
  subagents(run: string): Promise<StoredRun[]>
  sessions(): Promise<StoredSession[]>
  /** What is remembered of a session's failures; null where there is nothing. */
  breaker(session: string): Promise<Breaker | null>
  /** Closes a session's breaker and forgets its failures. Resolves to what was there. */
  closeBreaker(session: string): Promise<Breaker | null>
  /** Who holds a session, and null where it is free. */
  holder(session: string): Promise<StoredRun | null>
  transcript(session: string, range: TranscriptRange): Promise<TranscriptItem[]>

  /** Differs from the one before where somebody else has written since; to ask costs next to nothing. */
  version(): Promise<unknown>
  /** The processes of this machine, by their numbers, that keep others from writing just now, as far as it can be told. */
  lockHolders(): Promise<number[]>

  close(): Promise<void>
}

export interface SupervisorRecord {
  readonly id: string
  readonly host: string
  readonly identity: Identity
  /** Where it can be woken: a socket's path. */
  readonly socket: string | null
  readonly startedAt: number
  readonly renewedAt: number
  /** Milliseconds that its leases live without renewal. */
  readonly ttl: number
  /** Since when its host's event loop is blocked, as it said with its latest renewal; null while it turns. */
  readonly blockedSince: number | null
}

export interface Admission {
  readonly run: string
  readonly supervisor: string
  /** Null for a run that locks nothing: it is always admitted. */
  readonly session: string | null
  readonly parent: string | null
  readonly request: { readonly id: string; readonly payload: string } | null
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

/** What a run waits for; `until` is null where only the run's own end ends it. */
export interface StoredWait {
  readonly what: string
  readonly since: number
  readonly until: number | null
}

/** The right to write for a run: lost when another supervisor claims it, or when it ends. */
export interface Hold {
  readonly run: string
  readonly supervisor: string
  readonly fence: number
}

export interface Admitted {
  readonly state: 'running'
  readonly fence: number
  readonly at: number
}

export interface Queued {
  readonly state: 'waiting'
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
}

export interface EntryRecord {
  /** Counts the run's entries from 0; the same number again is the same entry again. */
  readonly index: number
  readonly body: string
  readonly at: number
}

export interface Stop {
  readonly cause: Cause
  readonly message: string | null
  /** Milliseconds that the trees are given, where whoever stops the run wants another grace than its own. */
  readonly grace: number | null
}

export interface TreeLaunched {
  readonly tree: string
  /** Argument vector as JSON text. */
  readonly command: string
  readonly containment: string
  readonly root: Identity
  readonly at: number
}

export interface TreeEnded {
  readonly tree: string
  readonly code: number | null
  readonly signal: string | null
  readonly ended: string
  readonly proof: Proof
  readonly survivors: readonly Survivor[]
  readonly at: number
}

export interface EndingRecord {
  readonly cause: Cause
  readonly message: string | null
  readonly forced: boolean
  readonly callback: 'settled' | 'left_behind'
  readonly trees: number
  readonly tree: { readonly proof: Proof; readonly survivors: readonly Survivor[] } | null
  /** What the callback threw. */
  readonly error: ThrownRecord | null
  readonly at: number
}

/** An error of the host's own, as far as it can be told later. */
export interface ThrownRecord {
  readonly name: string
  readonly message: string
  /** An HTTP status or a system's error code, where the error carries one. */
  readonly status?: number | string
}

export interface Finished {
  /** As stored: where the run was terminal already, the outcome of its first end. */
  readonly outcome: Outcome
  /** The run that has the session now, and whom to wake for it. */
  readonly admitted: (Hold & { readonly socket: string | null }) | null
  /** The waiters that were refused because this end has opened the session's breaker, and whom to tell of it. */
  readonly refused: ReadonlyArray<{ readonly run: string; readonly socket: string | null }>
}

export interface StoredRun {
  readonly id: string
  readonly session: string | null
  readonly supervisor: SupervisorRecord
  readonly parent: string | null
  readonly request: string | null
  readonly state: State
  readonly stop: Stop | null
  readonly fence: number | null
  readonly labels: string | null
  /** What it waits for; nothing once it has ended. */
  readonly waits: readonly StoredWait[]
  readonly createdAt: number
  readonly startedAt: number | null
  /** Exactly in terminal states. */
  readonly outcome: Outcome | null
}

export interface StoredTree {
  readonly tree: string
  readonly command: string
  readonly containment: string
  readonly root: Identity
  readonly launchedAt: number
  readonly end: TreeEnded | null
}

export interface StoredSession {
  readonly session: string
  readonly fence: number
  readonly holder: { readonly run: string; readonly state: State; readonly since: number } | null
  readonly waiting: number
  readonly breaker: Breaker | null
}

export interface RunFilter {
  /** `live` is everything that is not terminal. */
  readonly state?: 'live' | State
  readonly session?: string
  readonly supervisor?: string
  /** The newest first, at most this many; 100 where it is not said, and never over 10,000. */
  readonly limit?: number
}

export interface TranscriptRange {
  /** A position: only what stands after it. */
  readonly after?: string
  /** 1,000 where it is not said. A page of large entries may be shorter; only an empty one is the end. */
  readonly limit?: number
}

/** A transcript is the entries of the session's runs in order of admission, each run's ending after its entries. */
export type TranscriptItem = {
  readonly position: string
  readonly run: string
  readonly fence: number
  readonly at: number
} & (
  | { readonly kind: 'entry'; readonly entry: unknown }
  | {
      readonly kind: 'ending'
      readonly outcome: Outcome
      readonly draft: unknown
      readonly error: ThrownRecord | null
    }
)
