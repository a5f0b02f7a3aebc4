/** How a run gets its session: at once, or as the next in the queue. */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import type { State } from '../../runs/states.js'
import type { Admission, Admitted, Finished, Priority, Queued } from '../contract.js'
import { as, type RunRow, selectRun, storedRun } from './rows.js'
import { isLive } from './schema.js'
import { closed, isFresh } from './supervisors.js'

export function admissionVerbs(database: DatabaseSync) {
  const { tryToAdmit, enqueue, storePayload } = insertions(database)
  const stored = database.prepare(`
    SELECT r.state, r.fence, r.started_at, v.id AS owner FROM runs r JOIN supervisors v ON v.seq = r.supervisor
    WHERE r.id = ?`)
  const isOpen = database.prepare('SELECT 1 FROM supervisors WHERE id = ? AND closed_at IS NULL')
  const makeSession = database.prepare('INSERT INTO sessions (key) VALUES (?) ON CONFLICT (key) DO NOTHING')
  const holder = database.prepare(`${selectRun} WHERE s.key = ? AND r.${isLive}`)
  const waiting = database.prepare(`
    SELECT count(*) AS length FROM runs w
    WHERE w.session = (SELECT id FROM sessions WHERE key = ?) AND w.state = 'waiting'`)
  // A waiter that asks again is alive, whatever its lease says: it takes a session that is free and due to it.
  const admitWaiter = database.prepare(`
    UPDATE runs SET ${acquire}
    WHERE id = ? AND state = 'waiting'
      AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session = runs.session AND h.${isLive})
      AND NOT EXISTS (${freshWaiters('runs.session')} AND (w.priority, w.seq) < (runs.priority, runs.seq))
    RETURNING fence, started_at`)

  return {
    admit(admission: Admission): Admitted | Queued {
      if (admission.parent !== null) refuseLateSubagent(admission, admission.parent)
      const now = tryToAdmit(admission)
      if (now !== undefined) return now
      const before = as<StoredAdmission>(stored.get(admission.run))
      if (before !== undefined) return admitAgain(admission, before)
      if (isOpen.get(admission.supervisor) === undefined) throw closed(admission.supervisor)
      makeSession.run(admission.session)
      const inNewSession = tryToAdmit(admission)
      if (inNewSession !== undefined) return inNewSession
      enqueue(admission)
      storePayload(admission)
      return queued(admission.session)
    },
  }

  function admitAgain(
    { run, supervisor, session, at }: Admission,
    before: StoredAdmission,
  ): Admitted | Queued {
    if (before.owner !== supervisor) {
      throw new CoppiceError('run_lost', `run ${run} belongs to supervisor ${before.owner} by now`, {
        run,
        session,
      })
    }
    const admitted =
      before.state === 'waiting' ? as<Acquired>(admitWaiter.get(at, run, at)) : acquiredBefore(before)
    if (admitted !== undefined) return { state: 'running', fence: admitted.fence, at: admitted.started_at }
    if (before.state === 'waiting') return queued(session)
    throw new CoppiceError('run_ended', `run ${run} has ended as ${before.state}`, { run, session })
  }

  function queued(session: string | null): Queued {
    const row = as<RunRow>(holder.get(session))
    const { length = 0 } = as<{ length: number }>(waiting.get(session)) ?? {}
    return { state: 'waiting', holder: row === undefined ? null : storedRun(row), queueLength: length }
  }

  /** What a run starts after its stop would outlive it. */
  function refuseLateSubagent({ run, session }: Admission, parent: string): void {
    const state = as<StoredAdmission>(stored.get(parent))?.state
    if (state === 'running' || stored.get(run) !== undefined) return
    const what = state === undefined ? 'is not in the store' : `is ${state}`
    throw new CoppiceError('run_ended', `parent run ${parent} ${what}: it starts no subagent`, {
      run: parent,
      session,
    })
  }
}

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

/** The two ways in, each one statement: it admits under its conditions, or writes nothing. */
function insertions(database: DatabaseSync) {
  const columns =
    'id, session, supervisor, priority, state, fence, turn, previous, created_at, started_at, parent, request, labels'
  const withLock = database.prepare(`
    INSERT INTO runs (${columns})
    SELECT ?, s.id, v.seq, ?, 'running', s.fence + 1, s.fence + 1, s.last, ?, ?, ?, ?, ?
    FROM supervisors v, sessions s
    WHERE v.id = ? AND v.closed_at IS NULL AND s.key = ?
      AND NOT EXISTS (SELECT 1 FROM runs h WHERE h.session = s.id AND h.${isLive})
      AND NOT EXISTS (${freshWaiters('s.id')} AND w.priority <= ?)
    ON CONFLICT (id) DO NOTHING
    RETURNING fence, started_at`)
  const withoutLock = database.prepare(`
    INSERT INTO runs (${columns})
    SELECT ?, NULL, v.seq, ?, 'running', 1, 1, NULL, ?, ?, ?, ?, ? FROM supervisors v
    WHERE v.id = ? AND v.closed_at IS NULL
    ON CONFLICT (id) DO NOTHING
    RETURNING fence, started_at`)
  const asWaiter = database.prepare(`
    INSERT INTO runs (${columns})
    SELECT ?, s.id, v.seq, ?, 'waiting', NULL, NULL, NULL, ?, NULL, ?, ?, ? FROM supervisors v, sessions s
    WHERE v.id = ? AND s.key = ?`)
  const payload = database.prepare('INSERT INTO requests SELECT seq, ? FROM runs WHERE id = ?')

  return {
    tryToAdmit(admission: Admission): Admitted | undefined {
      const { run, supervisor, session, parent, request, priority, labels, at } = admission
      const rank = ranks[priority]
      const requestId = request?.id ?? null
      const row = as<Acquired>(
        session === null
          ? withoutLock.get(run, rank, at, at, parent, requestId, labels, supervisor)
          : withLock.get(run, rank, at, at, parent, requestId, labels, supervisor, session, at, rank),
      )
      if (row === undefined) return undefined
      storePayload(admission)
      return { state: 'running', fence: row.fence, at: row.started_at }
    },
    enqueue({ run, supervisor, session, parent, request, priority, labels, at }: Admission): void {
      asWaiter.run(run, ranks[priority], at, parent, request?.id ?? null, labels, supervisor, session)
    },
    storePayload,
  }

  function storePayload({ run, request }: Admission): void {
    if (request !== null) payload.run(request.payload, run)
  }
}

/** In the order in which they are admitted. */
const ranks: Record<Priority, number> = { interactive: 0, background: 1 }

interface Acquired {
  readonly fence: number
  readonly started_at: number
}

interface StoredAdmission {
  readonly state: State
  readonly fence: number | null
  readonly started_at: number | null
  readonly owner: string
}

function acquiredBefore({ state, fence, started_at }: StoredAdmission): Acquired | undefined {
  const isStillLive = state === 'running' || state === 'stopping'
  return isStillLive && fence !== null && started_at !== null ? { fence, started_at } : undefined
}

/** Of a waiter; its one parameter is the time. */
const acquire = `
  state = 'running',
  started_at = max(?, created_at),
  fence = (SELECT fence + 1 FROM sessions WHERE id = runs.session),
  turn = (SELECT fence + 1 FROM sessions WHERE id = runs.session),
  previous = (SELECT last FROM sessions WHERE id = runs.session)`

/** The run numbers of a session's waiters; its parameter is the time. CROSS JOIN, so that it begins at the queue. */
function freshWaiters(session: string): string {
  return `
    SELECT w.seq FROM runs w CROSS JOIN supervisors v ON v.seq = w.supervisor
    WHERE w.session = ${session} AND w.state = 'waiting' AND ${isFresh}`
}
