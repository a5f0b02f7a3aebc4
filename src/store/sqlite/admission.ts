/** How a run gets its session: at once, or as the next in the queue. */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { isTerminal, type State } from '../../runs/states.js'
import type { Admission, Admitted, Queued, Refused } from '../contract.js'
import { breakerAdmission } from './breaker.js'
import { rankOf, ranks } from './ranks.js'
import { queueRefusal } from './refusal.js'
import type { RememberedRuns } from './remembered.js'
import { as, givingValues, valuesAs } from './rows.js'
import { isLive } from './schema.js'
import { subagentCheck } from './subagents.js'
import { closed } from './supervisors.js'
import { acquire, freshWaiters, queueReader } from './waiters.js'

export function admissionVerbs(database: DatabaseSync, remembered: RememberedRuns) {
  const refuseLateSubagent = parentCheck(database)
  const admitAgain = repeatedAdmission(database)
  const queueOf = queueReader(database)
  const { findSeat, makeSession, insert } = insertion(database)
  const refuseIfNeeded = queueRefusal(database)
  const refuseBeyondLimits = subagentCheck(database)
  const askBreaker = breakerAdmission(database)
  const interrupt = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = 'interrupted', message = ?, stopping_at = ?
    WHERE session = ? AND state = 'running'`)

  return {
    admit(admission: Admission): Admitted | Queued | Refused {
      const { supervisor, session, at } = admission
      if (admission.parent !== null) {
        refuseLateSubagent(admission, admission.parent)
        const refused = refuseBeyondLimits(admission, admission.parent)
        if (refused !== null) return refused
      }
      const seat = findSeat(admission)
      if (seat === undefined) throw closed(supervisor)
      if (seat.breaker !== null && seat.session !== null) {
        const before = admitAgain(admission)
        if (before !== undefined) return before
        const refused = askBreaker(admission, seat.session, seat.free, seat.breaker)
        if (refused !== null) return refused
      }
      if (seat.free && (session === null || seat.session !== null)) {
        const fence = (seat.fence ?? 0) + 1
        if (insertRunning(admission, seat, fence)) return { state: 'running', fence, at }
      }
      const before = admitAgain(admission)
      if (before !== undefined) return before
      if (seat.session === null) return admitFirst(admission)
      insert(admission, seat, null)
      const refused = refuseIfNeeded(admission, queueOf(session))
      if (refused !== null) return refused
      if (admission.interrupts) interrupt.run(`by run ${admission.run}`, at, seat.session)
      return queueOf(session)
    },
  }

  /** False where the run is stored already. */
  function insertRunning(admission: Admission, seat: Seat, fence: number): boolean {
    const seq = insert(admission, seat, fence)
    if (seq === null) return false
    const { run, supervisor, session, parent, request, breaker: rules, at } = admission
    const { supervisor: owner, session: number, breaker } = seat
    const facts = { seq, supervisor, owner, number, session, parent, request: request?.id ?? null }
    remembered.add(run, { ...facts, created_at: at, started_at: at, breaker, rules, hasTrees: false })
    return true
  }

  /** The first run of a session. */
  function admitFirst(admission: Admission): Admitted {
    makeSession(admission.session)
    const seat = findSeat(admission)
    if (seat === undefined || !insertRunning(admission, seat, 1))
      throw new TypeError('a new session is taken')
    return { state: 'running', fence: 1, at: admission.at }
  }
}

/** Answers for a run that is there already: as it is stored, or admitted now where its time has come. */
function repeatedAdmission(database: DatabaseSync) {
  const queueOf = queueReader(database)
  const stored = database.prepare(`
    SELECT r.state, r.fence, r.started_at, v.id AS owner FROM runs r JOIN supervisors v ON v.seq = r.supervisor
    WHERE r.id = ?`)
  // A waiter that asks again is alive, whatever its lease says: it takes a session that is free and due to it.
  const admitWaiter = database.prepare(`
    UPDATE runs SET ${acquire}
    WHERE id = ? AND state = 'waiting'
      AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session = runs.session AND h.${isLive})
      AND NOT EXISTS (${freshWaiters('runs.session')} AND (w.priority, w.seq) < (runs.priority, runs.seq))
    RETURNING state, fence, started_at`)

  return ({ run, supervisor, session, at }: Admission): Admitted | Queued | undefined => {
    const before = as<Progress>(stored.get(run))
    if (before === undefined) return undefined
    if (before.owner !== supervisor) {
      throw new CoppiceError('run_lost', `run ${run} belongs to supervisor ${before.owner} by now`, {
        run,
        session,
      })
    }
    const now = before.state === 'waiting' ? (as<Progress>(admitWaiter.get(at, run, at)) ?? before) : before
    if (now.state === 'waiting') return queueOf(session)
    if (!isTerminal(now.state) && now.fence !== null && now.started_at !== null) {
      return { state: 'running', fence: now.fence, at: now.started_at }
    }
    throw new CoppiceError('run_ended', `run ${run} has ended as ${now.state}`, { run, session })
  }
}

/** What a run starts after its stop would outlive it. */
function parentCheck(database: DatabaseSync) {
  const stateOf = database.prepare('SELECT state FROM runs WHERE id = ?')

  return ({ run, session }: Admission, parent: string): void => {
    const state = as<{ state: State }>(stateOf.get(parent))?.state
    if (state === 'running' || stateOf.get(run) !== undefined) return
    const what = state === undefined ? 'is not in the store' : `is ${state}`
    const message = `parent run ${parent} ${what}: it starts no subagent`
    throw new CoppiceError('run_ended', message, { run: parent, session })
  }
}

/**
 * A look and an insert, in the one transaction. In a single `INSERT … SELECT … RETURNING` they take half as long
 * again, because SQLite fills two temporary tables for it.
 */
function insertion(database: DatabaseSync) {
  const seat = givingValues(
    database.prepare(`
    SELECT v.seq, s.id, s.fence, s.last, s.breaker, NOT (
        EXISTS (SELECT 1 FROM runs h WHERE h.session = s.id AND h.${isLive})
        OR EXISTS (${freshWaiters('s.id')} AND w.priority <= ?)
      )
    FROM supervisors v LEFT JOIN sessions s ON s.key = ?
    WHERE v.id = ? AND v.closed_at IS NULL`),
  )
  const newSession = database.prepare('INSERT INTO sessions (key) VALUES (?)')
  const newRun = database.prepare(`
    INSERT OR ROLLBACK INTO runs (id, session, supervisor, priority, state, fence, turn, previous, created_at, started_at,
      parent, request, labels, breaker)
    VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`)
  // Most runs: what is not bound need not be copied.
  const newPlainRun = database.prepare(`
    INSERT OR ROLLBACK INTO runs (id, session, supervisor, priority, state, fence, turn, previous, created_at, started_at)
    VALUES (?, ?, ?, ${ranks.interactive}, 'running', ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`)
  const newWaiter = database.prepare(`
    INSERT INTO runs (id, session, supervisor, priority, state, created_at, parent, request, labels, breaker)
    VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?)`)
  const payload = database.prepare('INSERT INTO requests (run, payload) VALUES (?, ?)')

  return {
    findSeat(admission: Admission): Seat | undefined {
      const { supervisor, session, at } = admission
      const found = valuesAs<SeatRow>(seat.get(at, rankOf(admission), session, supervisor))
      if (found === undefined) return undefined
      const [owner, number, fence, last, breaker, free] = found
      return { supervisor: owner, session: number, fence, last, breaker, free: free === 1 }
    },
    makeSession(session: string | null): void {
      newSession.run(session)
    },
    /** As running with this fence, or as waiting without one. Its row; null where the run is stored already. */
    insert(admission: Admission, seat: Seat, fence: number | null): number | null {
      const { run, parent, request, labels, breaker, at } = admission
      const { supervisor, session, last } = seat
      const rank = rankOf(admission)
      const requestId = request?.id ?? null
      const rules = breaker === null ? null : JSON.stringify(breaker)
      const isPlain =
        rank === ranks.interactive &&
        parent === null &&
        requestId === null &&
        labels === null &&
        rules === null
      const { changes, lastInsertRowid } =
        fence === null
          ? newWaiter.run(run, session, supervisor, rank, at, parent, requestId, labels, rules)
          : isPlain
            ? newPlainRun.run(run, session, supervisor, fence, fence, last, at, at)
            : newRun.run(
                run,
                session,
                supervisor,
                rank,
                fence,
                fence,
                last,
                at,
                at,
                parent,
                requestId,
                labels,
                rules,
              )
      if (changes === 0) return null
      if (request !== null) payload.run(lastInsertRowid, request.payload)
      return Number(lastInsertRowid)
    },
  }
}

type SeatRow = readonly [
  supervisor: number,
  session: number | null,
  fence: number | null,
  last: number | null,
  breaker: string | null,
  free: 0 | 1,
]

interface Seat {
  readonly supervisor: number
  /** Null for a session that is new, and for a run that locks none. */
  readonly session: number | null
  readonly fence: number | null
  readonly last: number | null
  /** JSON, where the session remembers failures. */
  readonly breaker: string | null
  readonly free: boolean
}

interface Progress {
  readonly state: State
  readonly fence: number | null
  readonly started_at: number | null
  readonly owner: string
}
