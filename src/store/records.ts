import type { Identity } from '../identity.js'
import type { Proof, Survivor } from '../proof.js'
import type { Cause } from '../runs/causes.js'
import type { Outcome } from '../runs/outcome.js'
import type { State } from '../runs/states.js'

// What is written down of supervisors, runs and trees. Every verb of the store takes some of these, or answers with them.

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

/** The right to write for a run: lost when another supervisor claims it, or when it ends. */
export interface Hold {
  readonly run: string
  readonly supervisor: string
  readonly fence: number
}

export interface EntryRecord {
  /** Counts the run's entries from 0; the same number again is the same entry again. */
  readonly index: number
  readonly body: string
  /** Ids of calls that the entry makes, and of those that it has the results of. */
  readonly calls?: readonly string[]
  readonly results?: readonly string[]
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
  /** Of the model's call that it was launched for. */
  readonly call?: string | null
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

/** An error of the host's own, as far as it can be told later. */
export interface ThrownRecord {
  readonly name: string
  readonly message: string
  /** An HTTP status or a system's error code, where the error carries one. */
  readonly status?: number | string
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
  /** Whether it was handed messages. */
  readonly inbox: boolean
  /** What it waits for; nothing once it has ended. */
  readonly waits: readonly StoredWait[]
  readonly createdAt: number
  readonly startedAt: number | null
  /** Since when it stops; null also for one that was ended by a single write. */
  readonly stoppingAt: number | null
  /** Exactly in terminal states. */
  readonly outcome: Outcome | null
}

/** What a run waits for; `until` is null where only the run's own end ends it. */
export interface StoredWait {
  readonly what: string
  readonly since: number
  readonly until: number | null
}

export interface StoredTree {
  readonly tree: string
  readonly command: string
  readonly containment: string
  readonly root: Identity
  readonly launchedAt: number
  readonly end: TreeEnded | null
}
