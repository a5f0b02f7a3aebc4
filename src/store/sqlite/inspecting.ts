import type { DatabaseSync } from 'node:sqlite'
import type { Survivor } from '../../proof.js'
import type { StoreInspection } from '../inspection.js'
import { parseBreaker } from './breaker.js'
import { connect, looksFresh } from './connection.js'
import { lookAt } from './looking.js'
import {
  allAs,
  as,
  endingOf,
  type RunRow,
  type SupervisorRow,
  selectRun,
  storedRun,
  storedTree,
  supervisorRecord,
  type TreeRow,
} from './rows.js'
import { isLive, schemaVersion } from './schema.js'
import { asStoreTrouble } from './trouble.js'

/** Lists longer than this are of no use to a person, and what is older than so many runs has been seen before. */
const most = { rows: 10_000, latestRuns: 100_000 }

export const empty: StoreInspection = {
  schema: 0,
  supervisors: [],
  live: [],
  survivors: [],
  breakers: [],
  pending: 0,
  exhausted: [],
  untold: { count: 0, oldest: null },
  ended: [],
}

export async function inspectSqlite(path: string, runs: readonly string[]): Promise<StoreInspection> {
  try {
    return await lookAt(path, (database) => (looksFresh(database, path) ? empty : inspect(database, runs)))
  } catch (error) {
    throw asStoreTrouble(error, path)
  }
}

export async function wholeness(path: string): Promise<readonly string[]> {
  try {
    return await lookAt(path, (database) =>
      allAs<{ quick_check: string }>(database.prepare('PRAGMA quick_check(10)').all())
        .map((row) => row.quick_check)
        .filter((line) => line !== 'ok'),
    )
  } catch (error) {
    throw asStoreTrouble(error, path)
  }
}

function inspect(database: DatabaseSync, runs: readonly string[]): StoreInspection {
  database.exec('BEGIN')
  try {
    return {
      schema: schemaVersion,
      supervisors: supervisorsIn(database),
      live: liveIn(database),
      survivors: survivorsIn(database),
      breakers: breakersIn(database),
      ...requestsIn(database),
      untold: untoldIn(database),
      ended: endedOf(database, runs),
    }
  } finally {
    database.exec('COMMIT')
  }
}

function supervisorsIn(database: DatabaseSync): StoreInspection['supervisors'] {
  const rows = database
    .prepare('SELECT * FROM supervisors WHERE closed_at IS NULL ORDER BY seq DESC LIMIT ?')
    .all(most.rows)
  return allAs<SupervisorRow>(rows).map(supervisorRecord)
}

/** Each by its small index, as the lists of runs are read. */
const unfinished = [
  ['lock', isLive],
  ['queue', "state = 'waiting'"],
] as const

function liveIn(database: DatabaseSync): StoreInspection['live'] {
  const runs = unfinished.flatMap(([index, condition]) => {
    const select = selectRun.replace('FROM runs r', `FROM runs r INDEXED BY ${index}`)
    return allAs<RunRow>(database.prepare(`${select} WHERE r.${condition} LIMIT ?`).all(most.rows))
  })
  const treesOf = database.prepare(`
    SELECT t.* FROM trees t WHERE t.run = (SELECT seq FROM runs WHERE id = ?) AND t.ended_at IS NULL LIMIT ?`)
  return runs.map((row) => ({
    run: storedRun(row),
    trees: allAs<TreeRow>(treesOf.all(row.id, most.rows)).map(storedTree),
  }))
}

/** Who was alive when their run ended, by the identity of the machine on which its supervisor ran. */
function survivorsIn(database: DatabaseSync): StoreInspection['survivors'] {
  const rows = database
    .prepare(`
      SELECT r.id, r.ending, v.boot_id, v.pid_namespace FROM runs r JOIN supervisors v ON v.seq = r.supervisor
      WHERE r.seq > (SELECT ifnull(max(seq), 0) - ? FROM runs) AND instr(r.ending, '"proof":"survivors"') > 0
      ORDER BY r.seq DESC LIMIT ?`)
    .all(most.latestRuns, most.rows)
  return allAs<{ id: string; ending: string; boot_id: string; pid_namespace: string }>(rows).flatMap(
    (row) => {
      const survivors: readonly Survivor[] = endingOf(row.ending).tree?.survivors ?? []
      return survivors.map(({ pid, startTime, name }) => ({
        run: row.id,
        process: { pid, startTime, bootId: row.boot_id, pidNamespace: row.pid_namespace },
        name,
      }))
    },
  )
}

function breakersIn(database: DatabaseSync): StoreInspection['breakers'] {
  const rows = database
    .prepare('SELECT key, breaker FROM sessions WHERE breaker IS NOT NULL ORDER BY key LIMIT ?')
    .all(most.rows)
  return allAs<{ key: string; breaker: string }>(rows).flatMap(({ key: session, breaker: text }) => {
    const breaker = parseBreaker(text)
    return breaker === null || breaker.opened === null ? [] : [{ session, breaker }]
  })
}

function requestsIn(database: DatabaseSync): Pick<StoreInspection, 'pending' | 'exhausted'> {
  const { count = 0 } =
    as<{ count: number }>(
      database.prepare("SELECT count(*) AS count FROM requests WHERE state = 'pending'").get(),
    ) ?? {}
  const rows = database
    .prepare(`
      SELECT s.key AS session, q.id AS request, q.tries, r.id AS run, q.created_at AS at
      FROM requests q JOIN runs r ON r.seq = q.run LEFT JOIN sessions s ON s.id = q.session
      WHERE q.state = 'pending' AND q.tries >= q.max_tries ORDER BY q.seq LIMIT ?`)
    .all(most.rows)
  return { pending: count, exhausted: allAs<StoreInspection['exhausted'][number]>(rows) }
}

function untoldIn(database: DatabaseSync): StoreInspection['untold'] {
  const { count = 0 } =
    as<{ count: number }>(database.prepare('SELECT count(*) AS count FROM outbox').get()) ?? {}
  const oldest = database
    .prepare(`
      SELECT r.id AS run, s.key AS session, r.ended_at AS endedAt
      FROM outbox o JOIN runs r ON r.seq = o.run LEFT JOIN sessions s ON s.id = r.session ORDER BY o.seq LIMIT 1`)
    .get()
  return { count, oldest: as<NonNullable<StoreInspection['untold']['oldest']>>(oldest) ?? null }
}

function endedOf(database: DatabaseSync, runs: readonly string[]): StoreInspection['ended'] {
  const byId = database.prepare(`${selectRun} WHERE r.id = ? AND r.ended_at IS NOT NULL`)
  return runs.flatMap((id) => allAs<RunRow>(byId.all(id)).map(storedRun))
}

export function truncate(path: string): void {
  const database = connect(path)
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (error) {
    throw asStoreTrouble(error, path)
  } finally {
    database.close()
  }
}
