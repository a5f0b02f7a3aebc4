/** A connection to a state file: to one of ours, or to a new one that becomes ours. */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { applicationId, schema, schemaVersion } from './schema.js'
import { unavailable, wantsRollback } from './trouble.js'

/** Half of SQLite's own: a commit of one run writes half as much, and a shared one no more. */
const onePage = 2048

/**
 * KiB. No more than SQLite's own default, because a commit that has split or joined pages of an index walks the whole cache:
 * pages that change places pass through a number beyond all others, and then the cache is searched for what lies beyond the
 * database's end (SQLite's balance_nonroot and pcache1Truncate). With 16,000 that was a sixth of a busy store's time. What
 * falls out of it is in the system's cache of the file.
 */
const cacheSize = 2_000

/**
 * Pages. Until the first checkpoint the WAL grows, and each flush writes its inode as well, a second trip to the disk; after it
 * the file is written over. Beyond some thousand that costs a new store more than checkpoints do, and holds the thread up for
 * longer when one comes.
 */
const checkpointEvery = 4_000

/** Throws for a file that is not ours to write. Looks through a connection that cannot write. */
export function recognise(path: string): void {
  const { size } = statSync(path)
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    // SQLite takes a file of one byte for an empty one.
    if (looksFresh(database, path) && size === 1)
      throw unavailable(path, `the file ${path} is not a database: choose another path for the state`)
  } catch (error) {
    // A first open that was killed while it wrote the first page. There is nothing else that a page alone can hold.
    if (!(wantsRollback(error) && size <= onePage)) throw error
  } finally {
    database.close()
  }
}

export function connect(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    // A call that sleeps would hold up the heartbeat of every run; committer.ts waits with timers.
    database.exec('PRAGMA busy_timeout = 0; PRAGMA foreign_keys = ON')
    const fresh = looksFresh(database, path)
    if (fresh) database.exec(`PRAGMA page_size = ${onePage}`)
    const { journal_mode: mode } = database.prepare('PRAGMA journal_mode = WAL').get() ?? {}
    if (mode !== 'wal') {
      throw unavailable(path, `the state file ${path} cannot have a WAL there: put it on a local disk`)
    }
    // FULL: each commit is on the disk when it returns; NORMAL alone would lose the last ones with the power. durability.ts
    // takes the flush over where it is worth a thread.
    database.exec(`
      PRAGMA synchronous = FULL; PRAGMA cache_size = -${cacheSize};
      PRAGMA wal_autocheckpoint = ${checkpointEvery}; PRAGMA journal_size_limit = 67108864`)
    if (fresh) initialise(database, path)
    // The WAL is opened by the first read; from here on its file is there, and file.ts can know it again.
    looksFresh(database, path)
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

/**
 * One snapshot for the three values: between two of them another supervisor may commit the schema, and half of the
 * old state with half of the new one looks like another program's file.
 */
export function looksFresh(database: DatabaseSync, path: string): boolean {
  database.exec('BEGIN')
  try {
    return isFresh(database, path)
  } finally {
    endSnapshot(database)
  }
}

function endSnapshot(database: DatabaseSync): void {
  try {
    database.exec('COMMIT')
  } catch {
    // Some errors have ended the transaction already; the one that is on its way says more.
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
