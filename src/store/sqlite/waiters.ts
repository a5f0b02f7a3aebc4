/** Who waits for a session, and how the next of them gets it. */
import type { DatabaseSync } from 'node:sqlite'
import type { Finished } from '../contract.js'
import { as } from './rows.js'
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
