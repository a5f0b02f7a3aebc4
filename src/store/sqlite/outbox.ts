/**
 * The outbox: which endings nobody has acknowledged so far, and whose they are to tell. What an ending says is the run's
 * own row; the outbox only has its number.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Outcome } from '../../runs/outcome.js'
import type {
  Acknowledged,
  EndingVerbs,
  Finished,
  Telling,
  ToldEnding,
  UnfinishedCall,
} from '../ending-contract.js'
import type { ThrownRecord } from '../records.js'
import type { Message, ToldRequest } from '../request-contract.js'
import { allAs, as, endingOf, type RunRow, selectRun, storedRun } from './rows.js'
import { isInInbox, isLive } from './schema.js'
import { isOnHold, nextAdmission } from './waiters.js'

/** Of a run that has just ended. */
export interface EndedRow {
  readonly seq: number
  /** Of the session's row. */
  readonly session: number | null
  /** Of its supervisor's row. */
  readonly owner: number
}

export interface EndingFacts {
  readonly outcome: Outcome
  readonly error: ThrownRecord | null
  readonly calls: readonly UnfinishedCall[]
}

export function outboxWriter(database: DatabaseSync) {
  const ofOthers = database.prepare('SELECT 1 FROM outbox WHERE session = ? AND supervisor IS NOT ? LIMIT 1')
  const insert = database.prepare('INSERT INTO outbox (run, session, supervisor) VALUES (?, ?, ?)')
  const holdSession = database.prepare(
    'UPDATE sessions SET hold = ?, hold_from = ?, hold_until = ? WHERE id = ?',
  )
  const content = contentReader(database)

  return {
    /**
     * The ending of a run is to be told: by the supervisor that ends it, or, where an earlier one of the session is
     * another's or nobody's, by whoever has told that.
     */
    add({ seq, session, owner }: EndedRow, telling: Telling | null, at: number): 'ours' | 'nobodys' {
      const isOurs =
        telling?.owns === true && (session === null || ofOthers.get(session, owner) === undefined)
      insert.run(seq, session, isOurs ? owner : null)
      const hold = telling?.hold ?? null
      if (session !== null && hold !== null) holdSession.run(seq, at, at + hold, session)
      return isOurs ? 'ours' : 'nobodys'
    },
    content,
  }
}

/** What an ending says beside its outcome. */
function contentReader(database: DatabaseSync) {
  // An ending may be read long after its commit: by then another run may have what this one left.
  const requestOf = database.prepare(`
    SELECT q.id, p.body AS payload, q.tries, q.state = 'pending' OR q.run <> ? AS pending
    FROM requests q JOIN payloads p ON p.request = q.seq WHERE q.session = ? AND q.id = ?`)
  const messagesOf = database.prepare(`
    SELECT q.id, p.body AS payload, q.tries FROM requests q INDEXED BY inbox JOIN payloads p ON p.request = q.seq
    WHERE q.run = ? AND q.${isInInbox} AND q.state = 'done' ORDER BY q.place`)
  const draftOf = database.prepare('SELECT body FROM drafts WHERE run = ?')

  return (
    { seq, session }: Omit<EndedRow, 'owner'>,
    hasInbox: boolean,
    { outcome, error, calls }: EndingFacts,
  ): ToldEnding => ({
    seq,
    outcome,
    request: outcome.request === null ? null : toldRequest(seq, session ?? 0, outcome.request),
    messages: hasInbox ? allAs<Message>(messagesOf.all(seq)) : [],
    draft: as<{ body: string }>(draftOf.get(seq))?.body ?? null,
    error,
    calls,
  })

  function toldRequest(run: number, scope: number, id: string): ToldRequest {
    const row = as<Message & { pending: 0 | 1 }>(requestOf.get(run, scope, id))
    // Retention takes it with its run, whose ending is told before that.
    if (row === undefined) return { id, payload: 'null', tries: 0, pending: false }
    return { ...row, pending: row.pending === 1 }
  }
}

export function outboxVerbs(database: DatabaseSync) {
  const content = contentReader(database)
  const supervisorOf = database.prepare('SELECT seq FROM supervisors WHERE id = ? AND closed_at IS NULL')
  // Another's is one whose supervisor may be about to tell it. In the order of commits: an earlier one of the session is
  // found first, or is another's and stands in the way.
  const isThere = 'v.closed_at IS NULL AND v.renewed_at + v.ttl > $at'
  const isOthers = (row: string) =>
    `(${row}.supervisor <> $me AND EXISTS (SELECT 1 FROM supervisors v WHERE v.seq = ${row}.supervisor AND ${isThere}))`
  const claimable = database.prepare(`
    SELECT o.seq FROM outbox o
    WHERE o.supervisor IS NOT $me AND NOT ifnull(${isOthers('o')}, 0)
      AND NOT EXISTS (
        SELECT 1 FROM outbox e INDEXED BY untold WHERE e.session = o.session AND e.seq < o.seq AND ${isOthers('e')})
    ORDER BY o.seq LIMIT $limit`)
  // Where nobody else is there to tell any, which is the rule, no ending is in the way of another: a session's endings of
  // weeks need not be compared with each other.
  const other = database.prepare(
    `SELECT 1 FROM supervisors v WHERE v.tells = 1 AND v.seq <> $me AND ${isThere} LIMIT 1`,
  )
  const unclaimed = database.prepare('SELECT seq FROM outbox WHERE supervisor IS NOT ? ORDER BY seq LIMIT ?')
  const claim = database.prepare('UPDATE outbox SET supervisor = ? WHERE seq = ?')
  const endedRun = database.prepare(`
    ${selectRun.replace('SELECT', 'SELECT r.seq, r.session AS session_row,')}
    WHERE r.seq = (SELECT run FROM outbox WHERE seq = ?)`)
  const owned = database.prepare(
    'SELECT 1 FROM outbox WHERE run = ? AND supervisor = (SELECT seq FROM supervisors WHERE id = ?)',
  )
  const leave = (not: '' | 'NOT') =>
    database.prepare(`
      UPDATE outbox SET supervisor = NULL
      WHERE supervisor = (SELECT seq FROM supervisors WHERE id = ?) AND run ${not} IN (SELECT value FROM json_each(?))`)
  const leaveOnly = leave('')
  const leaveOthers = leave('NOT')
  const note = database.prepare('UPDATE supervisors SET tells = 1 WHERE id = ? AND tells = 0')
  const count = database.prepare('SELECT count(*) AS count FROM outbox')

  return {
    claimEndings(supervisor: string, limit: number, at: number): ToldEnding[] {
      const me = as<{ seq: number }>(supervisorOf.get(supervisor))?.seq
      if (me === undefined) return []
      note.run(supervisor)
      const isAlone = other.get({ me, at }) === undefined
      const free = isAlone ? unclaimed.all(me, limit) : claimable.all({ me, at, limit })
      return allAs<{ seq: number }>(free).map(({ seq }) => {
        claim.run(me, seq)
        return toldEnding(seq)
      })
    },
    ownEndings: (supervisor: string, endings: readonly number[]): number[] =>
      endings.filter((run) => owned.get(run, supervisor) !== undefined),
    tells(supervisor: string): void {
      note.run(supervisor)
    },
    acknowledge: acknowledgement(database),
    leaveEndings(supervisor: string, which: Parameters<EndingVerbs['leaveEndings']>[1]): void {
      if ('only' in which) leaveOnly.run(supervisor, JSON.stringify(which.only))
      else leaveOthers.run(supervisor, JSON.stringify(which.except))
    },
    untold: (): number => as<{ count: number }>(count.get())?.count ?? 0,
    admitWaiting: holdEnd(database),
  }

  function toldEnding(seq: number): ToldEnding {
    const row = as<RunRow & { seq: number; session_row: number | null }>(endedRun.get(seq))
    const { outcome } = row === undefined ? { outcome: null } : storedRun(row)
    if (row === undefined || outcome === null) throw new TypeError(`ending ${seq} of the outbox has no run`)
    const { error, calls = [] } = endingOf(row.ending)
    return content({ seq: row.seq, session: row.session_row }, row.inbox !== null, { outcome, error, calls })
  }
}

function acknowledgement(database: DatabaseSync) {
  const remove = database.prepare('DELETE FROM outbox WHERE run = ? RETURNING session, supervisor')
  const release = database.prepare(`
    UPDATE sessions SET hold = NULL, hold_from = NULL, hold_until = NULL WHERE id = ? AND hold = ?`)
  const ofOthers = database.prepare('SELECT 1 FROM outbox WHERE session = ? AND supervisor IS NOT ? LIMIT 1')
  const admitNext = freeAdmission(database)

  return (endings: readonly number[], at: number): Acknowledged => {
    const admitted: Acknowledged['admitted'][number][] = []
    let more = false
    for (const run of endings) {
      const removed = as<{ session: number | null; supervisor: number | null }>(remove.get(run))
      if (removed === undefined || removed.session === null) continue
      const { session, supervisor } = removed
      more ||= ofOthers.get(session, supervisor) !== undefined
      if (release.run(session, run).changes === 0) continue
      const next = admitNext(session, at)
      if (next !== null) admitted.push(next)
    }
    return { admitted, more }
  }
}

/** The session's next waiter, where nobody has the session. */
function freeAdmission(database: DatabaseSync) {
  const isHeld = database.prepare(`SELECT 1 FROM runs WHERE session = ? AND ${isLive}`)
  const admitNext = nextAdmission(database)
  return (session: number, at: number): Finished['admitted'] =>
    isHeld.get(session) === undefined ? admitNext(session, at) : null
}

function holdEnd(database: DatabaseSync) {
  const free = database.prepare(`SELECT id FROM sessions s WHERE key = ? AND NOT ${isOnHold}`)
  const admitNext = freeAdmission(database)
  return (session: string, at: number): Finished['admitted'] => {
    const row = as<{ id: number }>(free.get(session, at, at))
    return row === undefined ? null : admitNext(row.id, at)
  }
}
