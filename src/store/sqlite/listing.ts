/**
 * Lists of runs, the newest first. Runs that are not terminal have small indexes of their own. Of the others there
 * may be millions and no index but their number, since each index would cost every run; so they are looked through
 * in slices, and other requests are served between two slices.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isTerminal } from '../../runs/states.js'
import type { RunFilter } from '../looking-contract.js'
import type { StoredRun } from '../records.js'
import { allAs, as, type RunRow, selectRun, storedRun } from './rows.js'
import { isLive } from './schema.js'

/** Whoever asks for unfinished runs may depend on having them all: keepers, and those who recover. */
const limits = { usual: 100, most: 10_000 }

/** Rows looked through in one turn of the event loop: some milliseconds. */
const slice = 5_000

/** How a listing reads: each call is one turn of the event loop and one committed state. */
export type Read = <T>(read: () => T) => Promise<T>

export function listingVerbs(database: DatabaseSync) {
  const unfinished = unfinishedRuns(database)
  const ofSession = runsOfSession(database)
  const ofAll = allRuns(database)

  return async (filter: RunFilter, read: Read): Promise<StoredRun[]> => {
    const { state, session } = filter
    if (state !== undefined && (state === 'live' || !isTerminal(state))) {
      return await read(() => unfinished(filter, Math.min(filter.limit ?? limits.most, limits.most)))
    }
    const limit = Math.min(filter.limit ?? limits.usual, limits.most)
    return session === undefined
      ? await ofAll(filter, limit, read)
      : await ofSession(filter, session, limit, read)
  }
}

type Numbered = RunRow & { readonly seq: number }

/** `selectRun` with the run's number, which says how far a listing has come. */
const selectNumbered = selectRun.replace('SELECT', 'SELECT r.seq,')

/** Null for any. By name, since node:sqlite on Node 22.13 cannot bind numbered parameters. */
const matches = '($supervisor IS NULL OR v.id = $supervisor) AND ($state IS NULL OR r.state = $state)'

function unfinishedRuns(database: DatabaseSync) {
  // Two queries, so that each can use its partial index; by name, since SQLite would rather walk all runs of all time
  // backwards than sort a few.
  const byCondition = [
    ['lock', isLive],
    ['queue', "state = 'waiting'"],
  ].map(([index, condition]) =>
    database.prepare(
      `${selectNumbered.replace('FROM runs r', `FROM runs r INDEXED BY ${index}`)}
      WHERE r.${condition} AND ${matches} AND ($session IS NULL OR s.key = $session) ORDER BY r.seq DESC LIMIT $limit`,
    ),
  )
  return ({ state, session, supervisor }: RunFilter, limit: number): StoredRun[] => {
    const stateOrAny = state === 'live' ? null : (state ?? null)
    const wanted = { supervisor: supervisor ?? null, state: stateOrAny, session: session ?? null, limit }
    const found = byCondition.flatMap((statement) => allAs<Numbered>(statement.all(wanted)))
    return newest(found, limit)
  }
}

function allRuns(database: DatabaseSync) {
  const last = database.prepare('SELECT max(seq) AS seq FROM runs')
  const between = database.prepare(
    `${selectNumbered} WHERE r.seq > $after AND r.seq <= $upTo AND ${matches} ORDER BY r.seq DESC LIMIT $limit`,
  )
  return async ({ state, supervisor }: RunFilter, limit: number, read: Read): Promise<StoredRun[]> => {
    const found: Numbered[] = []
    let upTo = (await read(() => as<{ seq: number | null }>(last.get())))?.seq ?? 0
    while (upTo > 0 && found.length < limit) {
      const wanted = { supervisor: supervisor ?? null, state: state ?? null, limit: limit - found.length }
      const rows = await read(() => between.all({ ...wanted, after: upTo - slice, upTo }))
      found.push(...allAs<Numbered>(rows))
      upTo -= slice
    }
    return found.map(storedRun)
  }
}

/** Those that had the session lead from one to the one before; the others are those that never were admitted. */
function runsOfSession(database: DatabaseSync) {
  const last = database.prepare('SELECT last FROM sessions WHERE key = ?')
  const chain = database.prepare(`
    WITH RECURSIVE chain (seq, previous, length) AS (
      SELECT seq, previous, 1 FROM runs WHERE seq = $from
      UNION ALL
      SELECT r.seq, r.previous, length + 1 FROM chain c JOIN runs r ON r.seq = c.previous WHERE length < $slice
    )
    ${selectNumbered.replace('FROM runs r', 'FROM chain c CROSS JOIN runs r ON r.seq = c.seq')}
    WHERE ${matches} LIMIT $limit`)
  const oldestOfSlice = database.prepare(`
    WITH RECURSIVE chain (previous, length) AS (
      SELECT previous, 1 FROM runs WHERE seq = ?
      UNION ALL
      SELECT r.previous, length + 1 FROM chain c JOIN runs r ON r.seq = c.previous WHERE length < ?
    )
    SELECT previous FROM chain ORDER BY length DESC LIMIT 1`)
  const neverAdmitted = ['turn IS NULL AND r.ended_at IS NOT NULL', "state = 'waiting'"].map((condition) =>
    database.prepare(
      `${selectNumbered} WHERE r.session = (SELECT id FROM sessions WHERE key = $session) AND r.${condition} AND ${matches}
      ORDER BY r.seq DESC LIMIT $limit`,
    ),
  )

  return async ({ state, supervisor }: RunFilter, session: string, limit: number, read: Read) => {
    const conditions = { supervisor: supervisor ?? null, state: state ?? null }
    // Together, since a waiter that is admitted in between would be found in both.
    const { found, newestAdmitted } = await read(() => ({
      found: neverAdmitted.flatMap((statement) =>
        allAs<Numbered>(statement.all({ ...conditions, session, limit })),
      ),
      newestAdmitted: as<{ last: number | null }>(last.get(session))?.last ?? null,
    }))
    let room = limit
    for (let next = newestAdmitted; next !== null && room > 0; ) {
      const from = next
      const rows = await read(() => allAs<Numbered>(chain.all({ ...conditions, from, slice, limit: room })))
      found.push(...rows)
      room -= rows.length
      next = room > 0 ? await read(() => afterSlice(from)) : null
    }
    return newest(found, limit)
  }

  function afterSlice(from: number): number | null {
    return as<{ previous: number | null }>(oldestOfSlice.get(from, slice))?.previous ?? null
  }
}

function newest(rows: readonly Numbered[], limit: number): StoredRun[] {
  return rows
    .toSorted((a, b) => b.seq - a.seq)
    .slice(0, limit)
    .map(storedRun)
}
