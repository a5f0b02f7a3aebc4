import type { Breaker } from '../runs/breaker.js'
import type { SubagentLimits } from '../runs/subagents.js'
import type { AdmissionVerbs } from './admission-contract.js'
import type { EndingVerbs, RetentionVerbs } from './ending-contract.js'
import type { LookingVerbs } from './looking-contract.js'
import type {
  EntryRecord,
  Hold,
  Stop,
  StoredRun,
  SupervisorRecord,
  TreeEnded,
  TreeLaunched,
} from './records.js'
import type { RequestVerbs } from './request-contract.js'

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
 *
 * The verbs of admissions, requests, endings and of looking are described in contracts of their own.
 */
export interface Store extends AdmissionVerbs, RequestVerbs, EndingVerbs, RetentionVerbs, LookingVerbs {
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
   * can shorten its grace and nothing else. What other supervisors run
   * below it in its family stops with it, as `parent_ended`.
   */
  markStopping(hold: Hold, stop: Stop, at: number): Promise<Stop>
  /** Asks, from wherever, that a run end: a waiting one ends at once, a running one is marked stopping, and what others run below it. */
  requestCancel(run: string, stop: Stop, at: number): Promise<StoredRun>
  /**
   * Claims a run from an owner that is dead: `stopping`, its cause `lost` unless one is recorded, this owner,
   * fence + 1. Null where the run is not as `seen` any more, its supervisor's renewal included, so that of many
   * claimants one wins. A waiting run ends as `lost` at once; the claim then has fence 0, and nothing to finish.
   */
  takeOverIfUnchanged(seen: StoredRun, supervisor: string, at: number): Promise<Hold | null>
  /** The same at an operator's word, whoever owns the run and however alive. Null where it is not live. */
  takeOverByForce(run: string, supervisor: string, at: number): Promise<Hold | null>

  /** What is remembered of a session's failures; null where there is nothing. */
  breaker(session: string): Promise<Breaker | null>
  /** Closes a session's breaker and forgets its failures. Resolves to what was there. */
  closeBreaker(session: string): Promise<Breaker | null>

  /** Differs from the one before where somebody else has written since; to ask costs next to nothing. */
  version(): Promise<unknown>
  /** The processes of this machine, by their numbers, that keep others from writing just now, as far as it can be told. */
  lockHolders(): Promise<number[]>

  close(): Promise<void>
}
