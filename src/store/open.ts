import type { Store } from './contract.js'
import { pathOfState } from './location.js'
import { openSqliteStore, type SqliteOptions } from './sqlite/open.js'

export interface StoreOptions extends SqliteOptions {}

/**
 * The store at a location: the path of a file, or its `file:` URL. It is made where it does not exist yet.
 *
 * Throws `invalid_option` for a location of another kind, `store_too_new` for a file of a later version, and
 * `store_unavailable` where there is a file that is not coppice's, or none can be had. No file that coppice does
 * not understand is changed.
 */
export async function openStore(location: string, options: StoreOptions = {}): Promise<Store> {
  return openSqliteStore(pathOfState(location), options)
}
