/**
 * Requests, apart from the runs that they are for: a request has one row for as long as it is known, whatever number of
 * runs it takes. That of an ordinary run is written once, by its admission: that it has ended is what the run's row says.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Cause } from '../../runs/causes.js'
import { endings } from '../../runs/causes.js'
import type { Admission } from '../admission-contract.js'
import type { Hold } from '../records.js'
import type {
  Message,
  PendingFilter,
  PendingRequest,
  RequestFacts,
  StoredRequest,
} from '../request-contract.js'
import { finder } from './finding.js'
import { holdCheck, holding, isHeld } from './holds.js'
import { allAs, as } from './rows.js'
import { isInInbox, type RequestState } from './schema.js'

export interface RequestRow {
  readonly seq: number
  /** The number of its run. */
  readonly run: number
  readonly state: RequestState
  readonly tries: number
  readonly max_tries: number
  readonly begun: 0 | 1
  readonly again: 0 | 1
}

/** What requests are unique within: the row of a session, and 0 for runs without one. Null where the session is new. */
export function scopeOf(session: string | null, row: number | null): number | null {
  return session === null ? 0 : row
}

export function requestWriter(database: DatabaseSync) {
  const byId = database.prepare(
    'SELECT seq, run, state, tries, max_tries, begun, again FROM requests WHERE session = ? AND id = ?',
  )
  const insert = database.prepare(`
    INSERT INTO requests (session, id, run, state, tries, max_tries, begun, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const insertPayload = database.prepare('INSERT INTO payloads (request, body) VALUES (?, ?)')
  const move = database.prepare(`
    UPDATE requests SET run = ?, state = ?, tries = tries + ?, max_tries = ?, begun = ?, again = max(again, state = 'pending'),
      place = NULL
    WHERE seq = ?`)
  const settle = database.prepare(
    'UPDATE requests SET state = ?, tries = tries - ?, begun = begun - ? WHERE seq = ?',
  )
  const payloadOf = database.prepare('SELECT body FROM payloads WHERE request = ?')
  const number = database.prepare('SELECT seq FROM runs WHERE id = ?')

  function find(scope: number | null, id: string): RequestRow | undefined {
    return scope === null ? undefined : as<RequestRow>(byId.get(scope, id))
  }

  function facts({ seq, tries }: Pick<RequestRow, 'seq' | 'tries'>): RequestFacts {
    return { payload: as<{ body: string }>(payloadOf.get(seq))?.body ?? 'null', tries }
  }

  return {
    find,
    facts,
    numberOf: (run: string): number | undefined => as<{ seq: number }>(number.get(run))?.seq,

    /** The request is this run's: a new one, or one that is to be run again. */
    assign(
      { request, maxTries, begins, at }: Admission,
      scope: number | null,
      run: number,
      to: { readonly state: RequestState; readonly begins?: boolean },
    ): RequestFacts | undefined {
      if (request === null || scope === null) return undefined
      const begun = (to.begins ?? begins) ? 1 : 0
      const known = find(scope, request.id)
      if (known !== undefined) {
        move.run(run, to.state, begun, maxTries, begun, known.seq)
        return facts({ seq: known.seq, tries: known.tries + begun })
      }
      const payload = request.payload ?? 'null'
      const { lastInsertRowid } = insert.run(scope, request.id, run, to.state, begun, maxTries, begun, at)
      insertPayload.run(lastInsertRowid, payload)
      return { payload, tries: begun }
    },

    /** The run has ended that has the request. Whether it is pending now. */
    settle(scope: number | null, id: string, run: number, cause: Cause, begun: boolean | null): boolean {
      const known = find(scope, id)
      if (known === undefined || known.run !== run) return false
      const hasBegun = known.begun === 1 && begun !== false
      const next = afterEnd(cause, hasBegun, known.again === 1)
      // Admitted and counted, but its callback was never called: that was no try.
      const uncounted = known.begun === 1 && !hasBegun ? 1 : 0
      if (next !== known.state || uncounted === 1) settle.run(next, uncounted, uncounted, known.seq)
      return next === 'pending'
    },
  }
}

/** Where the run has begun, only its loss leaves the request to another; before that, whatever is no word of the host's. */
function afterEnd(cause: Cause, hasBegun: boolean, wasPending: boolean): RequestState {
  if (hasBegun) return cause === 'lost' ? 'pending' : 'open'
  if (cause === 'request_exhausted') return 'open'
  if (endings[cause] === 'refused') return wasPending ? 'pending' : 'refused'
  return cause === 'lost' || cause === 'shutdown' || cause === 'interrupted' ? 'pending' : 'open'
}

/** A page of payloads. */
const limits = { usual: 100, most: 1_000, characters: 8 * 1024 * 1024 }

export function requestVerbs(database: DatabaseSync) {
  const { find } = finder(database)
  const refuseUnlessHeld = holdCheck(database)
  const byId = database.prepare(`
    SELECT q.state, q.tries, r.id AS run FROM requests q JOIN runs r ON r.seq = q.run
    WHERE q.session = ifnull((SELECT id FROM sessions WHERE key = ?), 0) AND q.id = ?`)
  const page = database.prepare(`
    SELECT q.seq, s.key AS session, q.id, p.body AS payload, q.tries, q.max_tries, r.id AS run, q.created_at
    FROM requests q INDEXED BY pending JOIN payloads p ON p.request = q.seq LEFT JOIN runs r ON r.seq = q.run
      LEFT JOIN sessions s ON s.id = q.session
    WHERE q.state = 'pending' AND q.seq > ? AND (? IS NULL OR s.key = ?) ORDER BY q.seq LIMIT ?`)
  const heldRun = database.prepare(
    `SELECT seq, ifnull(session, 0) AS scope, request FROM runs WHERE ${isHeld}`,
  )
  const count = database.prepare(`
    UPDATE requests SET tries = tries + 1, begun = 1 WHERE session = ? AND id = ? AND run = ? AND begun = 0`)
  const triesOf = database.prepare('SELECT tries FROM requests WHERE session = ? AND id = ?')

  return {
    request(session: string | null, id: string): StoredRequest | null {
      const row = as<{ state: RequestState; tries: number; run: string }>(byId.get(session, id))
      if (row === undefined) return null
      const { state, tries, run } = row
      const isInbox = state === 'delivered' || state === 'taken' || state === 'done'
      return { state: isInbox ? 'inbox' : state, run: find(run), tries }
    },

    pending({ session, after, limit }: PendingFilter): PendingRequest[] {
      const from = after === undefined ? 0 : Number(after)
      const most = Math.min(limit ?? limits.usual, limits.most)
      const wanted = session ?? null
      let characters = 0
      const found: PendingRequest[] = []
      for (const row of page.iterate(from, wanted, wanted, most)) {
        const { seq, max_tries: maxTries, created_at: at, ...rest } = row as unknown as PendingRow
        characters += rest.payload.length
        if (found.length > 0 && characters > limits.characters) break
        found.push({ ...rest, position: String(seq), maxTries, at })
      }
      return found
    },

    begun(hold: Hold): number {
      const run = as<{ seq: number; scope: number; request: string | null }>(heldRun.get(...holding(hold)))
      if (run === undefined) refuseUnlessHeld(hold)
      if (run === undefined || run.request === null) return 0
      count.run(run.scope, run.request, run.seq)
      return as<{ tries: number }>(triesOf.get(run.scope, run.request))?.tries ?? 0
    },

    messages: messagesVerb(database),
  }
}

interface PendingRow extends Omit<PendingRequest, 'position' | 'maxTries' | 'at'> {
  readonly seq: number
  readonly max_tries: number
  readonly created_at: number
}

function messagesVerb(database: DatabaseSync) {
  const refuseUnlessHeld = holdCheck(database)
  const heldRun = database.prepare(`SELECT seq FROM runs WHERE ${isHeld}`)
  const finish = database.prepare(
    "UPDATE requests SET state = 'done' WHERE run = ? AND id = ? AND state = 'taken'",
  )
  const select = `
    SELECT q.seq, q.id, p.body AS payload, q.tries FROM requests q INDEXED BY inbox JOIN payloads p ON p.request = q.seq
    WHERE q.run = ? AND`
  const takenBefore = database.prepare(`${select} q.${isInInbox} AND q.place > ? ORDER BY q.place`)
  const untaken = database.prepare(
    `${select} q.${isInInbox} AND q.state = 'delivered' ORDER BY q.seq LIMIT ?`,
  )
  const take = database.prepare(
    "UPDATE requests SET state = 'taken', tries = tries + 1, place = ? WHERE seq = ?",
  )

  return (
    hold: Hold,
    { done, have, take: most }: { done: readonly string[]; have: number; take: number },
  ): Message[] => {
    const run = as<{ seq: number }>(heldRun.get(...holding(hold)))?.seq
    if (run === undefined) {
      refuseUnlessHeld(hold)
      return []
    }
    for (const id of done) finish.run(run, id)
    if (most === 0) return []
    // Whose answer got lost: the same question again has the same answer.
    const before = allAs<Message & { seq: number }>(takenBefore.all(run, have))
    if (before.length > 0) return before.map(({ seq: _seq, ...message }) => message)
    return allAs<Message & { seq: number }>(untaken.all(run, most)).map(({ seq, tries, ...message }, at) => {
      take.run(have + at + 1, seq)
      return { ...message, tries: tries + 1 }
    })
  }
}
