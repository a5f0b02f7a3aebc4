import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CoppiceError } from '../../errors.js'
import type { Store } from '../contract.js'
import { Committer } from './committer.js'
import { checkOf, ensureFile } from './file.js'
import { applicationId, schema, schemaVersion } from './schema.js'
import { SqliteStore } from './store.js'
import { asStoreTrouble, isBusy, unavailable } from './trouble.js'

export interface SqliteOptions {
  /** False for commands that only read: a missing file is `store_unavailable` with ENOENT as cause. */
  readonly create?: boolean
  /** Milliseconds that a request waits while another program has the file, 10,000 by default. */
  readonly busyTimeout?: number
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
      new Committer(database, location, checkOf(location), busyTimeout),
    )
  } catch (error) {
    throw asStoreTrouble(error, location)
  }
}

/** Throws for a file that is not ours to write. Looks through a connection that cannot write. */
function recognise(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    isFresh(database, path)
  } finally {
    database.close()
  }
}

function connect(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    // A call that sleeps would hold up the heartbeat of every run; committer.ts waits with timers.
    database.exec('PRAGMA busy_timeout = 0; PRAGMA foreign_keys = ON')
    // In the journal mode of a new file, so that who made the file is told by its first page and not by its WAL.
    if (isFresh(database, path)) initialise(database, path)
    const { journal_mode: mode } = database.prepare('PRAGMA journal_mode = WAL').get() ?? {}
    if (mode !== 'wal') {
      throw unavailable(path, `the state file ${path} cannot have a WAL there: put it on a local disk`)
    }
    // FULL: each commit is on the disk before it is acknowledged; NORMAL would lose the last ones with the power.
    database.exec(
      'PRAGMA synchronous = FULL; PRAGMA cache_size = -16000; PRAGMA journal_size_limit = 67108864',
    )
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function initialise(database: DatabaseSync, path: string): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    // Another supervisor may have made the schema since the first look.
    if (isFresh(database, path)) {
      database.exec(schema())
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`)
    }
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/** True for an empty file, false for a state file of coppice that this version understands; throws for others. */
function isFresh(database: DatabaseSync, path: string): boolean {
  const application = numberOf(database, 'PRAGMA application_id')
  const version = numberOf(database, 'PRAGMA user_version')
  const objects = numberOf(database, 'SELECT count(*) FROM sqlite_schema')
  if (application === 0 && version === 0 && objects === 0) return true
  if (application !== applicationId) {
    throw unavailable(path, `the file ${path} belongs to another program: choose another path for the state`)
  }
  if (version > schemaVersion) {
    throw new CoppiceError(
      'store_too_new',
      `the state file ${path} has schema ${version}, and this coppice knows ${schemaVersion}: use a newer coppice`,
      { path },
    )
  }
  return false
}

function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0])
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
