import type { StoreInspection } from './inspection.js'
import { pathOfState } from './location.js'
import { empty, inspectSqlite, truncate, wholeness } from './sqlite/inspecting.js'

/**
 * Rejects with `store_unavailable` or `store_too_new`, as opening it would; the file has to be there. `runs` are ids whose
 * fate is asked for.
 */
export function inspectStore(location: string, runs: readonly string[]): Promise<StoreInspection> {
  return inspectSqlite(pathOfState(location), runs)
}

/** What is wrong with the database’s own structure, a line each; none where it is whole. */
export function integrityOf(location: string): Promise<readonly string[]> {
  return wholeness(pathOfState(location))
}

/** Brings the WAL into the file and empties it, as far as nobody reads an older state just now. */
export async function truncateWal(location: string): Promise<void> {
  truncate(pathOfState(location))
}

/** What there is to tell of a state that is not there yet. */
export const nothing: StoreInspection = empty
