/**
 * A state file that is looked at and left as it is, byte for byte: nothing is written, and no file is made beside it. So
 * it is for a process that has the file open in no other way.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { isBusy, unavailable } from './trouble.js'

/** Milliseconds that a look waits for another program that has the file to itself. */
const patience = 500

/** How often a look begins again because somebody opened the file meanwhile. */
const attempts = 3

/** Gives `read` a connection that cannot write. What `read` throws is thrown. */
export async function lookAt<T>(path: string, read: (database: DatabaseSync) => T): Promise<T> {
  const location = resolve(path)
  if (!statSync(location).isFile()) throw unavailable(location, `${location} is not a regular file`)
  const until = performance.now() + patience
  for (let attempt = 1; ; attempt++) {
    const hadWriters = existsSync(`${location}-wal`)
    try {
      const found = readOnce(location, hadWriters, read)
      // What was read without its WAL, while somebody began to write one, may be of no one moment.
      if (hadWriters || !existsSync(`${location}-wal`) || attempt === attempts) return found
    } catch (error) {
      const mayPass = isBusy(error) || (!hadWriters && existsSync(`${location}-wal`))
      if (!mayPass || performance.now() > until) throw error
    }
    await sleep(20)
  }
}

function readOnce<T>(location: string, hasWal: boolean, read: (database: DatabaseSync) => T): T {
  if (!understandsUris()) return readByPath(location, hasWal, read)
  // A file without a WAL is nobody's for now, and whole by itself; a connection that does not know that would make one.
  // With one, its index is read and not brought up to date (https://www.sqlite.org/wal.html, "Read-Only Databases").
  const mode = hasWal ? 'readonly_shm=1' : 'immutable=1'
  return readWith(new DatabaseSync(`${pathToFileURL(location).href}?${mode}`, { readOnly: true }), read)
}

/** Before Node 22.15, where SQLite knows only paths. */
function readByPath<T>(location: string, hasWal: boolean, read: (database: DatabaseSync) => T): T {
  if (hasWal) return readWith(new DatabaseSync(location, { readOnly: true }), read)
  const folder = mkdtempSync(join(tmpdir(), 'coppice-look-'))
  try {
    const copy = join(folder, 'copy.db')
    copyFileSync(location, copy)
    return readWith(new DatabaseSync(copy, { readOnly: true }), read)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readWith<T>(database: DatabaseSync, read: (database: DatabaseSync) => T): T {
  try {
    return read(database)
  } finally {
    database.close()
  }
}

function understandsUris(): boolean {
  try {
    new DatabaseSync('file::memory:', { readOnly: true }).close()
    return true
  } catch {
    return false
  }
}
