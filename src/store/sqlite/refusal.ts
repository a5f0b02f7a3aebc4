/** Runs that are not to have their session, nor to wait for it: they are refused in the transaction that asks. */
import type { DatabaseSync } from 'node:sqlite'
import type { Cause } from '../../runs/causes.js'
import type { Admission, Queued, Refused } from '../contract.js'
import { describeHolder } from '../holder-text.js'
import { describeRing, ringFinder } from './deadlock.js'
import { finder } from './finding.js'
import { rankOf } from './ranks.js'
import { as } from './rows.js'
import { closed } from './supervisors.js'
import { queueReader } from './waiters.js'

/** What a refusal says beside its cause. */
export type Why = Partial<Pick<Refused, 'ring' | 'breaker' | 'limit'>>

/** Writes a run down as refused that was never queued. Repeated, it answers as before. */
export function refuseVerb(database: DatabaseSync) {
  const { find } = finder(database)
  const queueOf = queueReader(database)
  const newSession = database.prepare('INSERT INTO sessions (key) VALUES (?) ON CONFLICT (key) DO NOTHING')
  const newRefused = database.prepare(`
    INSERT INTO runs (id, session, supervisor, priority, state, cause, message, created_at, ended_at, parent, request,
      labels)
    SELECT ?, (SELECT id FROM sessions WHERE key = ?), v.seq, ?, 'refused', ?, ?, ?, ?, ?, ?, ?
    FROM supervisors v WHERE v.id = ? AND v.closed_at IS NULL
    ON CONFLICT (id) DO NOTHING`)
  const payload = database.prepare('INSERT INTO requests (run, payload) VALUES (?, ?)')
  const isStored = database.prepare('SELECT 1 FROM runs WHERE id = ?')

  return (admission: Admission, cause: Cause, message: string, why: Why = {}): Refused => {
    const { run, supervisor, session, parent, request, labels, at } = admission
    if (session !== null) newSession.run(session)
    const facts = [rankOf(admission), cause, message, at, at, parent, request?.id ?? null, labels]
    const { changes, lastInsertRowid } = newRefused.run(run, session, ...facts, supervisor)
    if (changes === 0 && isStored.get(run) === undefined) throw closed(supervisor)
    if (changes > 0 && request !== null) payload.run(lastInsertRowid, request.payload)
    const { outcome } = find(run)
    if (outcome === null) throw new TypeError(`run ${run} was refused and has no outcome`)
    const { holder, queueLength } = queueOf(session)
    return { state: 'refused', outcome, holder, queueLength, ring: null, breaker: null, limit: null, ...why }
  }
}

/** For a run that has just been queued. Null where it may wait. */
export function queueRefusal(database: DatabaseSync) {
  const findRing = ringFinder(database)
  const { find } = finder(database)
  const refuse = database.prepare(`
    UPDATE runs SET state = 'refused', cause = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'waiting'`)
  const waitingOf = database.prepare(`
    SELECT count(*) AS length FROM (
      SELECT 1 FROM runs w INDEXED BY queue
      WHERE w.state = 'waiting' AND w.supervisor = (SELECT seq FROM supervisors WHERE id = ?) LIMIT ?)`)

  return (admission: Admission, { holder, queueLength }: Queued): Refused | null => {
    const { run, supervisor, session, parent, maxWaiters, mostWaiting, at } = admission
    const others = queueLength - 1
    const ring = session === null ? null : findRing(run, session, parent)
    if (ring !== null)
      return refused('deadlock', describeRing(ring), [run, ...ring.map((wait) => wait.holder)])
    if (others >= maxWaiters) {
      const held = holder === null ? `${others} others wait for it` : describeHolder(holder, others)
      return refused('queue_full', `${held}, and no more than ${maxWaiters} may`)
    }
    if (mostWaiting === null || !waitMore(supervisor, mostWaiting)) return null
    return refused('queue_full', `as many runs of its supervisor wait as may`)

    function refused(
      cause: 'deadlock' | 'queue_full',
      message: string,
      ids: readonly string[] | null = null,
    ): Refused {
      refuse.run(cause, message, at, run)
      const { outcome } = find(run)
      if (outcome === null) throw new TypeError(`run ${run} was refused and has no outcome`)
      const nothing = { breaker: null, limit: null }
      return { state: 'refused', outcome, holder, queueLength: others, ring: ids, ...nothing }
    }
  }

  /** With the one that has just been queued. */
  function waitMore(supervisor: string, most: number): boolean {
    return (as<{ length: number }>(waitingOf.get(supervisor, most + 1))?.length ?? 0) > most
  }
}
