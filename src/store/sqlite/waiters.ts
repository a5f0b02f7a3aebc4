/** Who waits for a session, and how the next of them gets it. */
import type { DatabaseSync } from 'node:sqlite'
import type { Queued } from '../admission-contract.js'
import type { Finished } from '../ending-contract.js'
import type { StoredRun } from '../records.js'
import { allAs, as, type RunRow, selectRun, storedRun } from './rows.js'
import { isLive } from './schema.js'
import { isFresh } from './supervisors.js'

/** Gives the session of a run that ended to the next waiter whose supervisor is there to take it up. */
export function nextAdmission(database: DatabaseSync) {
  const admitNext = database.prepare(`
    UPDATE runs SET ${acquire}
    WHERE seq = (${freshWaiters('?')} ORDER BY w.priority, w.seq LIMIT 1)
    RETURNING id AS run, fence, supervisor AS owner`)
  const supervisorOf = database.prepare('SELECT id AS supervisor, socket FROM supervisors WHERE seq = ?')

  /** `session` by its row's number. */
  return (session: number, at: number): Finished['admitted'] => {
    const next = as<{ run: string; fence: number; owner: number }>(admitNext.get(at, session, at))
    if (next === undefined) return null
    const { run, fence, owner } = next
    return { run, fence, ...(supervisorOf.get(owner) as { supervisor: string; socket: string | null }) }
  }
}

export function queueReader(database: DatabaseSync) {
  const holder = database.prepare(`${selectRun} WHERE s.key = ? AND r.${isLive}`)
  const waiting = database.prepare(`
    SELECT count(*) AS length FROM runs w
    WHERE w.session = (SELECT id FROM sessions WHERE key = ?) AND w.state = 'waiting'`)

  return (session: string | null): Queued => {
    const row = as<RunRow>(holder.get(session))
    const { length = 0 } = as<{ length: number }>(waiting.get(session)) ?? {}
    return { state: 'waiting', holder: row === undefined ? null : storedRun(row), queueLength: length }
  }
}

const mostWaiters = 1_000

export function waiterVerbs(database: DatabaseSync) {
  const count = database.prepare(`
    SELECT count(*) AS length FROM runs w
    WHERE w.session = (SELECT id FROM sessions WHERE key = ?) AND w.state = 'waiting'`)
  const ofFreeSessions = database.prepare(`
    SELECT w.id FROM runs w
    WHERE w.state = 'waiting' AND w.supervisor = (SELECT seq FROM supervisors WHERE id = ?)
      AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session = w.session AND h.${isLive})
    ORDER BY w.priority, w.seq`)

  const inOrder = database.prepare(
    `${selectRun} WHERE r.session = (SELECT id FROM sessions WHERE key = ?) AND r.state = 'waiting'
    ORDER BY r.priority, r.seq LIMIT ?`,
  )

  return {
    waiters(session: string): StoredRun[] {
      return allAs<RunRow>(inOrder.all(session, mostWaiters)).map(storedRun)
    },
    queueLength(session: string): number {
      return as<{ length: number }>(count.get(session))?.length ?? 0
    },
    stranded(supervisor: string): string[] {
      return allAs<{ id: string }>(ofFreeSessions.all(supervisor)).map(({ id }) => id)
    },
  }
}

/** Of a waiter; its one parameter is the time. */
export const acquire = `
  state = 'running',
  started_at = max(?, created_at),
  fence = (SELECT fence + 1 FROM sessions WHERE id = runs.session),
  turn = (SELECT fence + 1 FROM sessions WHERE id = runs.session),
  previous = (SELECT last FROM sessions WHERE id = runs.session)`

/** The run numbers of a session's waiters; its parameter is the time. CROSS JOIN, so that it begins at the queue. */
export function freshWaiters(session: string): string {
  return `
    SELECT w.seq FROM runs w CROSS JOIN supervisors v ON v.seq = w.supervisor
    WHERE w.session = ${session} AND w.state = 'waiting' AND ${isFresh}`
}

/**
 * Whether the session `s` is held for an ending that is not acknowledged; its parameters are the time, twice. It begins when
 * it was written as well as it ends some time after: a clock that was set back ends it, and does not prolong it.
 */
export const isOnHold = '(s.hold IS NOT NULL AND s.hold_from <= ? AND s.hold_until > ?)'
