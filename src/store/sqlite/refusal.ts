/** Runs that are not to have their session, nor to wait for it: they are refused in the transaction that asks. */
import type { DatabaseSync } from 'node:sqlite'
import type { Cause } from '../../runs/causes.js'
import type { Admission, Queued, Refused } from '../admission-contract.js'
import { describeHolder } from '../holder-text.js'
import { describeRing, ringFinder } from './deadlock.js'
import { finder } from './finding.js'
import { outboxWriter } from './outbox.js'
import { rankOf } from './ranks.js'
import { requestWriter, scopeOf } from './requests.js'
import { as } from './rows.js'
import { closed } from './supervisors.js'
import { queueReader } from './waiters.js'

/** What a refusal says beside its cause. */
export type Why = Partial<Pick<Refused, 'ring' | 'breaker' | 'limit' | 'tries'>>

/** Writes a run down as refused that was never queued. Repeated, it answers as before. */
export function refuseVerb(database: DatabaseSync) {
  const { find } = finder(database)
  const queueOf = queueReader(database)
  const newSession = database.prepare('INSERT INTO sessions (key) VALUES (?) ON CONFLICT (key) DO NOTHING')
  const newRefused = database.prepare(`
    INSERT INTO runs (id, session, supervisor, priority, state, cause, message, created_at, ended_at, parent, request,
      labels, tell)
    SELECT ?, (SELECT id FROM sessions WHERE key = ?), v.seq, ?, 'refused', ?, ?, ?, ?, ?, ?, ?, ?
    FROM supervisors v WHERE v.id = ? AND v.closed_at IS NULL
    ON CONFLICT (id) DO NOTHING`)
  const numberOf = database.prepare('SELECT id FROM sessions WHERE key = ?')
  const requests = requestWriter(database)
  const outbox = outboxWriter(database)
  const isStored = database.prepare('SELECT 1 FROM runs WHERE id = ?')

  return (admission: Admission, cause: Cause, message: string, why: Why = {}): Refused => {
    const { run, supervisor, session, parent, request, labels, tells, at } = admission
    if (session !== null) newSession.run(session)
    const facts = [
      rankOf(admission),
      cause,
      message,
      at,
      at,
      parent,
      request?.id ?? null,
      labels,
      tells ? 1 : null,
    ]
    const { changes, lastInsertRowid } = newRefused.run(run, session, ...facts, supervisor)
    if (changes === 0 && isStored.get(run) === undefined) throw closed(supervisor)
    if (changes > 0 && (request !== null || tells)) settle(admission, Number(lastInsertRowid), cause)
    const { outcome } = find(run)
    if (outcome === null) throw new TypeError(`run ${run} was refused and has no outcome`)
    const { holder, queueLength } = queueOf(session)
    return { state: 'refused', outcome, holder, queueLength, ring: null, breaker: null, limit: null, ...why }
  }

  /** A request that another run has is not this one's to change. */
  function settle(admission: Admission, run: number, cause: Cause): void {
    const { session, request, at } = admission
    const row = as<{ id: number }>(numberOf.get(session))?.id ?? null
    const scope = scopeOf(session, row)
    if (request !== null) {
      const known = requests.find(scope, request.id)
      if (known === undefined || known.state === 'pending' || known.state === 'refused') {
        requests.assign(admission, scope, run, { state: 'open', begins: false })
        requests.settle(scope, request.id, run, cause, false)
      }
    }
    outbox.add({ seq: run, session: row, owner: 0 }, null, at)
  }
}

/** For a run that has just been queued. Null where it may wait. */
export function queueRefusal(database: DatabaseSync) {
  const findRing = ringFinder(database)
  const { find } = finder(database)
  const tellEnd = waiterEnd(database)
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
      tellEnd(run, at)
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

/** A run has ended that waited, by whichever statement: what became of its request, and that its ending is to be told. */
export function waiterEnd(database: DatabaseSync) {
  const endedRun = database.prepare('SELECT seq, session, request, cause, tell FROM runs WHERE id = ?')
  const requests = requestWriter(database)
  const outbox = outboxWriter(database)

  return (run: string, at: number): void => {
    const ended = as<{
      seq: number
      session: number | null
      request: string | null
      cause: Cause
      tell: 1 | null
    }>(endedRun.get(run))
    if (ended === undefined || (ended.request === null && ended.tell === null)) return
    const { seq, session, request, cause } = ended
    if (request !== null) requests.settle(session ?? 0, request, seq, cause, false)
    outbox.add({ seq, session, owner: 0 }, null, at)
  }
}
