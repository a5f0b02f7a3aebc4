import type { Condition } from '../containment/processes/condition.js'
import type { Identity } from '../identity.js'
import type { StoreInspection } from '../store/inspection.js'
import type { StoredRun, SupervisorRecord } from '../store/records.js'
import type { LockFile } from './lock-files/lock-file.js'

/**
 * What the inspector, a process of its own, tells of the store and of the folders that belong to it. Each part is a line of
 * JSON, told as soon as it is known; a part that needs a file system that hangs is never told.
 */
export interface Inspection {
  /** Before the first look at a file. */
  readonly begun: null
  readonly runtime: RuntimeFolder
  readonly files: StateFiles
  readonly store: InspectedStore
  readonly owners: readonly Owner[]
  readonly remains: Remains
  readonly writers: readonly Writer[]
  readonly integrity: Integrity
  readonly lockFiles: LockFolder
}

export type PartName = keyof Inspection

export type Tell = <Name extends PartName>(name: Name, value: Inspection[Name]) => void

/** What the inspector is started with. */
export interface Task {
  readonly what: 'inspect' | 'clean' | 'restrict' | 'checkpoint' | 'lockFiles' | 'unlock'
  readonly location: string
  readonly runtimeDir: string
  /** The folder of the state where none was named: that one is coppice's own. */
  readonly ownFolder: string
  readonly lockFiles: string | null
  /** How many times longer than on an idle machine everything takes. */
  readonly slowdown: number
}

/** What a part could not be told for. */
export interface Trouble {
  readonly code: string
  readonly message: string
}

export interface RuntimeFolder {
  readonly path: string
  /** Permission bits; null where there is no such folder. */
  readonly mode: number | null
  readonly left: readonly string[]
}

export interface StateFiles {
  readonly location: string
  readonly exists: boolean
  readonly folder: { readonly path: string; readonly mode: number; readonly isOwn: boolean } | null
  /** The file, and its WAL and index where they are there. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly mode: number; readonly bytes: number }>
  readonly walBytes: number
  readonly freeBytes: number | null
}

/** Everything empty where there is no state yet. */
export interface InspectedStore {
  readonly trouble: Trouble | null
  readonly schema: number
  readonly runs: number
  readonly breakers: StoreInspection['breakers']
  readonly pending: number
  readonly exhausted: StoreInspection['exhausted']
  readonly untold: StoreInspection['untold']
}

/** A supervisor that is not closed, what became of its process, and the runs that are not terminal. */
export interface Owner {
  readonly record: SupervisorRecord
  readonly condition: Condition
  /** `dead`: recovery may take its runs at once. `silent`: it lives, or may live, and does not answer. */
  readonly verdict: 'well' | 'silent' | 'dead'
  readonly runs: readonly StoredRun[]
}

export interface Remains {
  /** Runs that are over, or whose owner is dead, with what lives of their trees. */
  readonly orphans: readonly Orphans[]
  /** Marks of runs that the store does not know. */
  readonly unknown: readonly string[]
  readonly survivors: ReadonlyArray<{
    readonly run: string
    readonly process: Identity
    readonly name: string
  }>
}

export interface Orphans {
  /** The mark, and with it everything below. */
  readonly path: string
  readonly run: string
  readonly session: string | null
  /** As a clause: `it ended as lost`. */
  readonly why: string
  /** Whether it is for recovery to end them with their run. */
  readonly isRecoverable: boolean
  /** Whether a guard owns some of them, which ends them within their bounds. */
  readonly isGuarded: boolean
  readonly roots: readonly Identity[]
  readonly processes: ReadonlyArray<{
    readonly pid: number
    readonly startTime: string
    readonly name: string
  }>
}

/** Whoever kept others from writing for as long as it was looked at. */
export interface Writer {
  readonly pid: number
  readonly name: string
  readonly condition: Condition
  /** Whether it is a supervisor that answers. */
  readonly isWell: boolean
}

export interface Integrity {
  readonly trouble: Trouble | null
  readonly problems: readonly string[]
}

export interface LockFolder {
  readonly trouble: Trouble | null
  readonly locks: readonly LockFile[]
  readonly removed: readonly string[]
}
