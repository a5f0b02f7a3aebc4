import { cpSync, mkdtempSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What stands in a state file, read with SQLite alone. */
export interface Rows {
  readonly integrity: string
  readonly runs: readonly RunRow[]
  readonly entries: readonly EntryRow[]
  readonly trees: readonly TreeRow[]
  readonly fences: Readonly<Record<string, number>>
  /** How many endings nobody was told, and requests nobody has. */
  readonly untold: number
  readonly pending: readonly string[]
}

export interface RunRow {
  readonly id: string
  readonly session: string
  readonly parent: string | null
  readonly request: string | null
  readonly state: string
  readonly cause: string | null
  readonly fence: number | null
  readonly turn: number | null
  readonly ended_at: number | null
  readonly ending: string | null
}

export interface EntryRow {
  readonly run: string
  readonly n: number
  readonly fence: number
  readonly body: string
}

export interface TreeRow {
  readonly run: string
  readonly id: string
  readonly ended_at: number | null
}

const nothing: Rows = {
  integrity: 'ok',
  runs: [],
  entries: [],
  trees: [],
  fences: {},
  untold: 0,
  pending: [],
}

/**
 * Of a copy: a look at the file itself would be a recovery of its journal, which is to be the next supervisor's. Nobody may
 * be writing.
 */
export function rowsOf(state: string): Rows {
  const folder = mkdtempSync(join(dirname(state), 'copy-'))
  const names = readdirSync(dirname(state)).filter((name) => name.startsWith(basename(state)))
  if (!names.includes(basename(state))) return nothing
  // The index of the WAL is made anew: what it says of a process's locks is of the original.
  for (const name of names.filter((one) => !one.endsWith('-shm')))
    cpSync(join(dirname(state), name), join(folder, name))
  const database = new DatabaseSync(join(folder, basename(state)))
  try {
    return read(database)
  } finally {
    database.close()
  }
}

function read(database: DatabaseSync): Rows {
  const all = <T>(sql: string) => database.prepare(sql).all() as unknown as readonly T[]
  const problems = [
    ...all<{ integrity_check: string }>('PRAGMA integrity_check').map((row) => row.integrity_check),
    ...all<object>('PRAGMA foreign_key_check').map((row) => JSON.stringify(row)),
  ]
  const integrity = problems.join('; ')
  if (all("SELECT 1 FROM sqlite_schema WHERE name = 'runs'").length === 0) return { ...nothing, integrity }
  return {
    integrity,
    runs: all(`
      SELECT r.id, s.key AS session, parent, request, state, cause, r.fence, turn, ended_at, ending
      FROM runs r JOIN sessions s ON s.id = r.session ORDER BY r.seq`),
    entries: all(`
      SELECT r.id AS run, n, e.fence, body FROM entries e JOIN runs r ON r.seq = e.run ORDER BY e.run, n`),
    untold: all('SELECT 1 FROM outbox').length,
    pending: all<{ id: string }>("SELECT id FROM requests WHERE state = 'pending'").map(({ id }) => id),
    trees: all('SELECT r.id AS run, t.id, t.ended_at FROM trees t JOIN runs r ON r.seq = t.run'),
    fences: Object.fromEntries(
      all<{ key: string; fence: number }>('SELECT key, fence FROM sessions').map(({ key, fence }) => [
        key,
        fence,
      ]),
    ),
  }
}
