import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import type { StoredRun } from '../records.js'
import { as, type RunRow, selectRun, storedRun } from './rows.js'

export function finder(database: DatabaseSync) {
  const byId = database.prepare(`${selectRun} WHERE r.id = ?`)

  function findIfAny(run: string): StoredRun | null {
    const row = as<RunRow>(byId.get(run))
    return row === undefined ? null : storedRun(row)
  }

  /** A run that has to be there, since the caller was told its id. */
  function find(run: string): StoredRun {
    const found = findIfAny(run)
    if (found === null) throw new CoppiceError('invalid_option', `no run ${run} is in the store`, { run })
    return found
  }

  return { findIfAny, find }
}
