import type { Breaker } from '../runs/breaker.js'
import type { Outcome } from '../runs/outcome.js'
import type { State } from '../runs/states.js'
import type { UnfinishedCall } from './ending-contract.js'
import type { StoredRun, StoredTree, ThrownRecord } from './records.js'

/** What can be asked of a store; nothing of it writes. */
export interface LookingVerbs {
  run(run: string): Promise<StoredRun | null>
  runs(filter: RunFilter): Promise<StoredRun[]>
  trees(run: string): Promise<StoredTree[]>
  /** When a run wrote its entries, the oldest first; 1,000 at most. */
  entryMarks(run: string): Promise<EntryMark[]>
  /** The runs whose parent it is, of whichever supervisor, that have not ended. */
  subagents(run: string): Promise<StoredRun[]>
  sessions(): Promise<StoredSession[]>
  /** Who holds a session, and null where it is free. */
  holder(session: string): Promise<StoredRun | null>
  transcript(session: string, range: TranscriptRange): Promise<TranscriptItem[]>

  /** How the store as a whole stands, in numbers that are cheap to count. */
  census(): Promise<Census>
  /** How long its writes take; asks the database nothing. */
  commits(): CommitTimes
}

export interface StoredSession {
  readonly session: string
  readonly fence: number
  readonly holder: { readonly run: string; readonly state: State; readonly since: number } | null
  readonly waiting: number
  readonly breaker: Breaker | null
}

export interface EntryMark {
  readonly index: number
  readonly at: number
  /** Length of the entry's JSON text. */
  readonly characters: number
  /** What coppice itself wrote it for (`attempt_failed`); null for an entry of the host's. */
  readonly coppice: string | null
}

/** Of the runs that have not ended, and of what they hold. */
export interface Census {
  readonly waiting: number
  readonly running: number
  readonly stopping: number
  /** The run that has held a session for longest. */
  readonly oldestLock: HeldLock | null
  /** The run that has waited for longest. */
  readonly longestWait: { readonly run: string; readonly session: string; readonly since: number } | null
  /** Those that refuse runs or try their session out, the oldest first; 100 at most. */
  readonly openBreakers: ReadonlyArray<{ readonly session: string; readonly breaker: Breaker }>
}

export interface HeldLock {
  readonly run: string
  readonly session: string
  readonly supervisor: string
  readonly since: number
}

/** Milliseconds from the request of a write until it was on the disk, of the last minute. */
export interface CommitTimes {
  /** How many commits are in it: 1,000 at most, the latest. */
  readonly count: number
  /** Of each commit, for the request that waited longest; null where there was none. */
  readonly p50: number | null
  readonly p99: number | null
  readonly max: number | null
  /** For how long the oldest request waits that is not on the disk yet; 0 where there is none. */
  readonly pendingMs: number
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
      /** Of a model, that have no result in the run's entries. */
      readonly calls: readonly UnfinishedCall[]
    }
)
