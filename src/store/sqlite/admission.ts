/** How a run gets its session: at once, or as the next in the queue. */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import type { Cause } from '../../runs/causes.js'
import { isTerminal, type State } from '../../runs/states.js'
import type { Admission, Admitted, Delivered, Existing, Queued, Refused } from '../admission-contract.js'
import type { RequestFacts } from '../request-contract.js'
import { breakerAdmission } from './breaker.js'
import { rankOf, ranks } from './ranks.js'
import { queueRefusal, refuseVerb } from './refusal.js'
import type { RememberedRuns } from './remembered.js'
import { requestAdmission } from './request-admission.js'
import { requestWriter, scopeOf } from './requests.js'
import { as, givingValues, valuesAs } from './rows.js'
import { isLive } from './schema.js'
import { subagentCheck } from './subagents.js'
import { closed } from './supervisors.js'
import { acquire, freshWaiters, isOnHold, queueReader } from './waiters.js'

export function admissionVerbs(database: DatabaseSync, remembered: RememberedRuns) {
  const refuseLateSubagent = parentCheck(database)
  const admitAgain = repeatedAdmission(database)
  const queueOf = queueReader(database)
  const { findSeat, makeSession, insert } = insertion(database)
  const refuseIfNeeded = queueRefusal(database)
  const refuseBeyondLimits = subagentCheck(database)
  const askBreaker = breakerAdmission(database)
  const askRequest = requestAdmission(database)
  const refuse = refuseVerb(database)
  const interrupt = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = 'interrupted', message = ?, stopping_at = ?
    WHERE session = ? AND state = 'running'`)

  return {
    refuse(admission: Admission, cause: Cause, message: string): Refused | Delivered | Existing {
      const seat = findSeat(admission)
      const known = seat === undefined ? undefined : askRequest(admission, seat)
      return known ?? refuse(admission, cause, message)
    },

    admit(admission: Admission): Admitted | Queued | Refused | Delivered | Existing {
      const { supervisor, session, at } = admission
      if (admission.parent !== null) {
        refuseLateSubagent(admission, admission.parent)
        const refused = refuseBeyondLimits(admission, admission.parent)
        if (refused !== null) return refused
      }
      const seat = findSeat(admission)
      if (seat === undefined) throw closed(supervisor)
      const known = askRequest(admission, seat)
      if (known !== undefined) return known
      if (seat.breaker !== null && seat.session !== null) {
        const before = admitAgain(admission)
        if (before !== undefined) return before
        const refused = askBreaker(admission, seat.session, seat.free, seat.breaker)
        if (refused !== null) return refused
      }
      if (seat.free && (session === null || seat.session !== null)) {
        const fence = (seat.fence ?? 0) + 1
        const inserted = insertRunning(admission, seat, fence)
        if (inserted !== null) return { state: 'running', fence, at, ...inserted.request }
      }
      const before = admitAgain(admission)
      if (before !== undefined) return before
      if (seat.session === null) return admitFirst(admission)
      const inserted = insert(admission, seat, null)
      const refused = refuseIfNeeded(admission, queueOf(session))
      if (refused !== null) return refused
      if (admission.interrupts) interrupt.run(`by run ${admission.run}`, at, seat.session)
      return { ...queueOf(session), ...inserted?.request }
    },
  }

  /** Null where the run is stored already. */
  function insertRunning(admission: Admission, seat: Seat, fence: number): Inserted | null {
    const inserted = insert(admission, seat, fence)
    if (inserted === null) return null
    const { run, supervisor, session, parent, request, breaker: rules, tells, at } = admission
    const { supervisor: owner, session: number, breaker } = seat
    const { seq } = inserted
    const facts = { seq, supervisor, owner, number, session, parent, request: request?.id ?? null, tells }
    const rest = { breaker, rules, hasTrees: false, hasCalls: false }
    remembered.add(run, { ...facts, created_at: at, started_at: at, ...rest })
    return inserted
  }

  /** The first run of a session. */
  function admitFirst(admission: Admission): Admitted {
    makeSession(admission.session)
    const seat = findSeat(admission)
    const inserted = seat === undefined ? null : insertRunning(admission, seat, 1)
    if (inserted === null) throw new TypeError('a new session is taken')
    return { state: 'running', fence: 1, at: admission.at, ...inserted.request }
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
      AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = runs.session AND ${isOnHold})
      AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session = runs.session AND h.${isLive})
      AND NOT EXISTS (${freshWaiters('runs.session')} AND (w.priority, w.seq) < (runs.priority, runs.seq))
    RETURNING state, fence, started_at`)

  const factsOf = requestOfRun(database)

  return ({ run, supervisor, session, request, at }: Admission): Admitted | Queued | undefined => {
    const before = as<Progress>(stored.get(run))
    if (before === undefined) return undefined
    if (before.owner !== supervisor) {
      throw new CoppiceError('run_lost', `run ${run} belongs to supervisor ${before.owner} by now`, {
        run,
        session,
      })
    }
    const now =
      before.state === 'waiting' ? (as<Progress>(admitWaiter.get(at, run, at, at, at)) ?? before) : before
    const facts = request === null ? {} : factsOf(run)
    if (now.state === 'waiting') return { ...queueOf(session), ...facts }
    if (!isTerminal(now.state) && now.fence !== null && now.started_at !== null) {
      return { state: 'running', fence: now.fence, at: now.started_at, ...facts }
    }
    throw new CoppiceError('run_ended', `run ${run} has ended as ${now.state}`, { run, session })
  }
}

function requestOfRun(database: DatabaseSync) {
  const requestOf = database.prepare(`
    SELECT q.seq, q.tries FROM runs r JOIN requests q ON q.session = ifnull(r.session, 0) AND q.id = r.request
    WHERE r.id = ?`)
  const { facts } = requestWriter(database)
  return (run: string): { readonly request?: RequestFacts } => {
    const row = as<{ seq: number; tries: number }>(requestOf.get(run))
    return row === undefined ? {} : { request: facts(row) }
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
        OR ifnull(${isOnHold}, 0)
        OR EXISTS (${freshWaiters('s.id')} AND w.priority <= ?)
      )
    FROM supervisors v LEFT JOIN sessions s ON s.key = ?
    WHERE v.id = ? AND v.closed_at IS NULL`),
  )
  const newSession = database.prepare('INSERT INTO sessions (key) VALUES (?)')
  const newRun = database.prepare(`
    INSERT OR ROLLBACK INTO runs (id, session, supervisor, priority, state, fence, turn, previous, created_at, started_at,
      parent, request, labels, breaker, tell)
    VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`)
  // Most runs: what is not bound need not be copied.
  const newPlainRun = database.prepare(`
    INSERT OR ROLLBACK INTO runs (id, session, supervisor, priority, state, fence, turn, previous, created_at, started_at)
    VALUES (?, ?, ?, ${ranks.interactive}, 'running', ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING`)
  const newWaiter = database.prepare(`
    INSERT INTO runs (id, session, supervisor, priority, state, created_at, parent, request, labels, breaker, tell)
    VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?)`)
  const requests = requestWriter(database)

  return {
    findSeat(admission: Admission): Seat | undefined {
      const { supervisor, session, at } = admission
      const found = valuesAs<SeatRow>(seat.get(at, at, at, rankOf(admission), session, supervisor))
      if (found === undefined) return undefined
      const [owner, number, fence, last, breaker, free] = found
      return { supervisor: owner, session: number, fence, last, breaker, free: free === 1 }
    },
    makeSession(session: string | null): void {
      newSession.run(session)
    },
    /** As running with this fence, or as waiting without one. Null where the run is stored already. */
    insert(admission: Admission, seat: Seat, fence: number | null): Inserted | null {
      const { run, parent, request, labels, breaker, tells, at } = admission
      const { supervisor, session, last } = seat
      const rank = rankOf(admission)
      const requestId = request?.id ?? null
      const rules = breaker === null ? null : JSON.stringify(breaker)
      const tell = tells ? 1 : null
      const isPlain =
        !tells &&
        rank === ranks.interactive &&
        parent === null &&
        requestId === null &&
        labels === null &&
        rules === null
      const { changes, lastInsertRowid } =
        fence === null
          ? newWaiter.run(run, session, supervisor, rank, at, parent, requestId, labels, rules, tell)
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
                tell,
              )
      if (changes === 0) return null
      const seq = Number(lastInsertRowid)
      if (request === null) return { seq }
      const begins = fence !== null && admission.begins
      const scope = scopeOf(admission.session, session)
      const facts = requests.assign(admission, scope, seq, { state: 'open', begins })
      return facts === undefined ? { seq } : { seq, request: { request: facts } }
    },
  }
}

interface Inserted {
  readonly seq: number
  /** As an answer has it. */
  readonly request?: { readonly request: RequestFacts }
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
