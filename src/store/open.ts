import { fileURLToPath } from 'node:url'
import { CoppiceError } from '../errors.js'
import type { Store } from './contract.js'
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
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase()
  if (location === '') throw new CoppiceError('invalid_option', 'no state is named: give the path of a file')
  if (scheme === undefined) return openSqliteStore(location, options)
  if (scheme === 'file') return openSqliteStore(pathOf(location), options)
  // What follows the scheme stays out of the message: a URL may have a password in it.
  throw new CoppiceError(
    'invalid_option',
    `a state of the kind ${scheme}: is not supported by this version: give the path of a file`,
  )
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new CoppiceError(
      'invalid_option',
      `the state ${url} names no file of this machine: give its path`,
      {
        cause,
      },
    )
  }
}
