import type { StateOptions } from '../supervisor/host/state.js'
import type { Task } from './inspection.js'
import type { Inspector } from './inspector.js'

/** `error`: something is wrong now. `warning`: something will go wrong. `note`: as it is here, and nobody need act. */
export type Severity = 'error' | 'warning' | 'note'

/** Something that a check has found. */
export interface Finding {
  readonly severity: Severity
  /** What was found, in one sentence. */
  readonly found: string
  /** Why it matters. */
  readonly why: string
  /** What mends it: a command to type, or what to do. */
  readonly mends: string
  /** The same in numbers and names, for programs. */
  readonly facts: Readonly<Record<string, unknown>>
  /** Where `--fix` mends it. Findings that are mended together share one. */
  readonly fix?: Fix
}

/** Mends what is safe, once, and says what it did, a sentence each. */
export type Fix = () => Promise<readonly string[]>

/** What a check has seen: in a few words, and what of it is out of order. */
export interface Seen {
  readonly says: string
  readonly findings: readonly Finding[]
}

export interface Check {
  /** What it is called in the output, in `--json` and in the documentation. */
  readonly name: string
  readonly title: string
  look(place: Place): Promise<Seen>
}

/** Where a doctor looks. */
export interface Place {
  readonly state: StateOptions
  readonly task: Omit<Task, 'what'>
  readonly inspector: Inspector
  /** The native helper; null where there is none. */
  readonly helper: string | null
  /** Milliseconds that a check has. */
  readonly bound: number
}

export function isTrouble({ severity }: Finding): boolean {
  return severity !== 'note'
}

/** `1 run`, `3 runs`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

export function isoTime(at: number): string {
  return new Date(at).toISOString()
}
