import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoppiceError } from '../../errors.js'
import type { Store } from '../contract.js'
import { Committer } from './committer.js'
import { connect, recognise } from './connection.js'
import { ensureFile } from './file.js'
import { OpenFiles } from './open-files.js'
import { SqliteStore } from './store.js'
import { asStoreTrouble, isBusy } from './trouble.js'

export interface SqliteOptions {
  /** False for commands that only read: a missing file is `store_unavailable` with ENOENT as cause. */
  readonly create?: boolean
  /** Milliseconds that a request waits while another program has the file, 10,000 by default. */
  readonly busyTimeout?: number
  /** Called now and then while requests wait because another program has the file. */
  readonly onLocked?: () => void
  /** Called with what the store's trouble is where a write fails of it, and with null after one that was stored. */
  readonly onTrouble?: (trouble: CoppiceError | null) => void
}

/**
 * Opens the state file at `path`, or makes it: the folder with mode 0700, the file with 0600. A file that is not a
 * database, belongs to another application or has a newer schema is refused as it is, byte for byte.
 */
export async function openSqliteStore(path: string, options: SqliteOptions = {}): Promise<Store> {
  const location = resolve(path)
  const busyTimeout = options.busyTimeout ?? 10_000
  await ensureFile(location, options.create ?? true)
  try {
    await whileBusy(busyTimeout, () => recognise(location))
    const database = await whileBusy(busyTimeout, () => connect(location))
    return new SqliteStore(
      location,
      database,
      new Committer(database, location, new OpenFiles(location), { ...options, busyTimeout }),
    )
  } catch (error) {
    throw asStoreTrouble(error, location)
  }
}

/** Switching to the WAL and making the schema want the file alone for a moment, which several may want at once. */
async function whileBusy<T>(timeout: number, open: () => T): Promise<T> {
  const deadline = performance.now() + timeout
  for (;;) {
    try {
      return open()
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
    }
    await sleep(1 + Math.random() * 4)
  }
}
