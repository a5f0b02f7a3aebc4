/** How the store stands, by its small indexes alone: what has ended, however much that is, costs nothing. */
import type { DatabaseSync } from 'node:sqlite'
import type { State } from '../../runs/states.js'
import type { Census, HeldLock } from '../looking-contract.js'
import { parseBreaker } from './breaker.js'
import { allAs, as } from './rows.js'
import { isLive } from './schema.js'

const mostBreakers = 100

export function censusVerb(database: DatabaseSync) {
  const live = database.prepare(
    `SELECT state, count(*) AS count FROM runs INDEXED BY lock WHERE ${isLive} GROUP BY state`,
  )
  const waiting = database.prepare(
    `SELECT count(*) AS count FROM runs INDEXED BY queue WHERE state = 'waiting'`,
  )
  const oldestLock = database.prepare(`
    SELECT r.id AS run, s.key AS session, v.id AS supervisor, r.started_at AS since
    FROM runs r INDEXED BY lock JOIN sessions s ON s.id = r.session JOIN supervisors v ON v.seq = r.supervisor
    WHERE r.${isLive} ORDER BY r.started_at LIMIT 1`)
  const longestWait = database.prepare(`
    SELECT r.id AS run, s.key AS session, r.created_at AS since
    FROM runs r INDEXED BY queue JOIN sessions s ON s.id = r.session
    WHERE r.state = 'waiting' ORDER BY r.created_at LIMIT 1`)
  const breakers = database.prepare(
    `SELECT key, breaker FROM sessions INDEXED BY breakers WHERE breaker IS NOT NULL AND breaker ->> '$.opened' IS NOT NULL
    ORDER BY breaker ->> '$.opened.since' LIMIT ?`,
  )

  return (): Census => {
    const byState = new Map(
      allAs<{ state: State; count: number }>(live.all()).map(({ state, count }) => [state, count]),
    )
    return {
      waiting: as<{ count: number }>(waiting.get())?.count ?? 0,
      running: byState.get('running') ?? 0,
      stopping: byState.get('stopping') ?? 0,
      oldestLock: copyOf(as<HeldLock>(oldestLock.get())),
      longestWait: copyOf(as<NonNullable<Census['longestWait']>>(longestWait.get())),
      openBreakers: allAs<{ key: string; breaker: string }>(breakers.all(mostBreakers)).flatMap(
        ({ key: session, breaker: text }) => {
          const breaker = parseBreaker(text)
          return breaker === null ? [] : [{ session, breaker }]
        },
      ),
    }
  }
}

/** Rows have no prototype, which structured clones and comparisons stumble over. */
function copyOf<T extends object>(row: T | undefined): T | null {
  return row === undefined ? null : { ...row }
}
