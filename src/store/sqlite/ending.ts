/**
 * How a run stops and ends. The cause that stands stored decides (P5); the ending's own counts where there is none.
 */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { concernsBreaker } from '../../runs/breaker.js'
import { type Cause, endings } from '../../runs/causes.js'
import type { Outcome } from '../../runs/outcome.js'
import { describeParentsEnd } from '../../runs/subagents.js'
import { transitions } from '../../runs/transitions.js'
import type { EndingRecord, Finished } from '../ending-contract.js'
import type { Hold, Stop, StoredRun } from '../records.js'
import { breakerEnding, nobody } from './breaker.js'
import { callsEnder } from './calls.js'
import { finder } from './finding.js'
import { holdCheck, holding, isHeld } from './holds.js'
import { inboxEnding } from './inbox-ending.js'
import { type EndedRow, outboxWriter } from './outbox.js'
import { waiterEnd } from './refusal.js'
import type { RememberedRun, RememberedRuns } from './remembered.js'
import { requestWriter } from './requests.js'
import { allAs, as, type Ending, endingOf, endingText, givingValues, outcomeOf, valuesAs } from './rows.js'
import { isLive } from './schema.js'
import { nextAdmission } from './waiters.js'

export function endingVerbs(database: DatabaseSync, remembered: RememberedRuns) {
  const refuseUnlessHeld = holdCheck(database)
  const admitNext = nextAdmission(database)
  const { find, findIfAny } = finder(database)
  const settleBreaker = breakerEnding(database)
  const requests = requestWriter(database)
  const endCalls = callsEnder(database)
  const inbox = inboxEnding(database)
  const outbox = outboxWriter(database)
  const tellWaiterEnd = waiterEnd(database)

  const stop = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ?, message = ?, stop_grace = ?, stopping_at = ?
    WHERE ${isHeld} AND state = 'running'`)
  // The first cause stays; only the patience of whoever asks again may be shorter (`cancel({ grace: 0 })`).
  const hurry = database.prepare(`
    UPDATE runs SET stop_grace = ? WHERE id = ? AND state = 'stopping' AND ifnull(stop_grace > ?, 1)`)
  const heldRun = givingValues(
    database.prepare(`
    SELECT runs.seq, session, s.key, parent, request, created_at, started_at, cause, message, s.breaker, runs.breaker AS rules,
      runs.supervisor, tell, inbox,
      EXISTS (SELECT 1 FROM runs w WHERE w.session = runs.session AND w.state = 'waiting'),
      EXISTS (SELECT 1 FROM trees t WHERE t.run = runs.seq AND t.ended_at IS NULL)
    FROM runs LEFT JOIN sessions s ON s.id = runs.session WHERE ${isHeld}`),
  )
  const endTrees = database.prepare(`
    UPDATE trees SET ended_at = ?, ended = 'lost', proof = ?, survivors = '[]' WHERE run = ? AND ended_at IS NULL`)
  const end = database.prepare(
    'UPDATE runs SET state = ?, cause = ?, message = ?, ended_at = ?, ending = ? WHERE seq = ?',
  )
  // The end of a run that nothing of its own outlives and nobody waits for, which is nearly every run.
  const endOrdinary = database.prepare(`
    UPDATE OR ROLLBACK runs SET state = ?, cause = ?, message = ?, ended_at = ?, ending = ?
    WHERE seq = ? AND id = ? AND state = 'running' AND fence = ? AND supervisor = ? AND inbox IS NULL
      AND NOT EXISTS (SELECT 1 FROM runs w WHERE w.session = ? AND w.state = 'waiting')`)
  const livingTree = database.prepare('SELECT 1 FROM trees WHERE run = ? AND ended_at IS NULL')
  const holderOf = database.prepare(`
    SELECT r.id AS run, r.fence, v.id AS supervisor, v.socket FROM runs r JOIN supervisors v ON v.seq = r.supervisor
    WHERE r.session = (SELECT session FROM runs WHERE id = ?) AND r.${isLive}`)
  const toldRun = database.prepare(`
    SELECT r.seq, r.session, r.supervisor AS owner, r.inbox, r.ending FROM outbox o JOIN runs r ON r.seq = o.run
    WHERE r.id = ? AND o.supervisor = (SELECT seq FROM supervisors WHERE id = ?)`)
  const stopAnyones = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ?, message = ?, stop_grace = ?, stopping_at = ?
    WHERE id = ? AND state = 'running'`)
  const runningBelow = database.prepare(`
    WITH RECURSIVE family(id, parent, state, supervisor) AS (
      SELECT id, parent, state, supervisor FROM runs WHERE parent = ? AND ended_at IS NULL
      UNION SELECT r.id, r.parent, r.state, r.supervisor FROM runs r JOIN family f ON r.parent = f.id
      WHERE r.ended_at IS NULL)
    SELECT id, parent FROM family
    WHERE state = 'running' AND supervisor <> (SELECT supervisor FROM runs WHERE id = ?)`)
  const endWaiting = database.prepare(`
    UPDATE runs SET state = ?, cause = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'waiting'`)

  return {
    markStopping(hold: Hold, wanted: Stop, at: number): Stop {
      const { cause, message, grace } = wanted
      if (transitions.running[cause] === undefined) throw cannot('stop', cause)
      const isFirst = stop.run(cause, message, grace, at, ...holding(hold)).changes > 0
      if (!isFirst) refuseUnlessHeld(hold)
      stopBelow(hold.run, grace, at)
      if (isFirst) return wanted
      shorten(hold.run, grace)
      return find(hold.run).stop ?? wanted
    },

    finishIfHeld(hold: Hold, ending: EndingRecord): Finished {
      const { at } = ending
      if (transitions.running[ending.cause] === undefined) throw cannot('end', ending.cause)
      const ended = finishOrdinary(hold, ending)
      if (ended !== null) return ended
      const held = valuesAs<HeldRun>(heldRun.get(hold.run, hold.fence, hold.supervisor))
      if (held === undefined) return finishedBefore(hold)
      const [
        seq,
        number,
        session,
        parent,
        request,
        created_at,
        started_at,
        storedCause,
        storedMessage,
        breaker,
        rules,
        owner,
        tell,
        hasInbox,
        waitedFor,
        hasTrees,
      ] = held
      const cause = storedCause ?? ending.cause
      const message = cause === ending.cause ? (storedMessage ?? ending.message) : storedMessage
      const state = endings[cause]
      if (hasTrees === 1) endTrees.run(at, ending.tree?.proof ?? 'unproven', seq)
      const calls = endCalls(seq, cause)
      end.run(state, cause, message, at, endingText(ending, calls), seq)
      if (request !== null) requests.settle(number ?? 0, request, seq, cause, ending.begun)
      if (hasInbox === 1) inbox.settle(seq, cause === 'returned' ? ending.through : [])
      const { run: id, fence } = hold
      const facts = {
        id,
        session,
        parent,
        request,
        fence,
        state,
        cause,
        message,
        created_at,
        started_at,
        ended_at: at,
      }
      const refused =
        number === null ? nobody : settleBreaker({ session: number, breaker, rules }, { run: id, state, at })
      const isTold = request !== null || tell === 1 || hasInbox === 1
      // Held for its ending: who is next is admitted when that is acknowledged.
      const isHeldFor = isTold && (ending.telling?.hold ?? null) !== null
      const admitted = waitedFor === 1 && number !== null && !isHeldFor ? admitNext(number, at) : null
      const outcome = outcomeOf(facts, ending)
      const row = { seq, session: number, owner }
      const told = isTold ? tellEnding(row, hasInbox === 1, outcome, { ...ending, calls }, at) : {}
      if (hasInbox === 1) inbox.leave(seq, admitted?.run ?? null)
      return { outcome, admitted, refused, ...told }
    },

    requestCancel(run: string, { cause, message, grace }: Stop, at: number): StoredRun {
      const before = find(run)
      if (transitions[before.state][cause] === undefined) {
        if (before.state === 'stopping') shorten(run, grace)
      } else if (before.state === 'waiting') endWaiter(run, cause, message, at)
      else {
        stopAnyones.run(cause, message, grace, at, run)
        stopBelow(run, grace, at)
      }
      return find(run)
    },

    endIfWaiting(run: string, cause: Cause, message: string | null, at: number): StoredRun {
      if (transitions.waiting[cause] === undefined) throw cannot('end waiting', cause)
      endWaiter(run, cause, message, at)
      return find(run)
    },
  }

  /**
   * What other supervisors have below it in its family stops with it, and before anybody is signalled: a supervisor in a tree
   * of the run's may be killed with that before it has heard, and what it had were lost else. Those of its own supervisor
   * cannot be: that one ends them, and knows whether one has a cause of its own that is not stored yet.
   */
  function stopBelow(run: string, grace: number | null, at: number): void {
    for (const { id, parent } of allAs<{ id: string; parent: string }>(runningBelow.all(run, run)))
      stopAnyones.run('parent_ended', describeParentsEnd(parent), grace, at, id)
  }

  function endWaiter(run: string, cause: Cause, message: string | null, at: number): void {
    if (endWaiting.run(endings[cause], cause, message, at, run).changes > 0) tellWaiterEnd(run, at)
  }

  /** The outbox takes the ending; what it says comes back where it is for this supervisor to tell. */
  function tellEnding(
    row: EndedRow,
    hasInbox: boolean,
    outcome: Outcome,
    ending: EndingRecord & Pick<Ending, 'calls'>,
    at: number,
  ): Pick<Finished, 'tell' | 'untold'> {
    if (outbox.add(row, ending.telling, at) === 'nobodys') return { untold: true }
    return {
      tell: outbox.content(row, hasInbox, { outcome, error: ending.error, calls: ending.calls ?? [] }),
    }
  }

  /** Null where the run is not that simple, or not remembered: then somebody has to look. */
  function finishOrdinary({ run: id, supervisor, fence }: Hold, ending: EndingRecord): Finished | null {
    const known = remembered.take(id)
    if (known === undefined || known.supervisor !== supervisor) return null
    const { cause, message, at } = ending
    const { seq, owner, number } = known
    const state = endings[cause]
    if (concernsBreaker(known.breaker, known.rules, state)) return null
    // Of any other end it has to be looked up what becomes of the request, and of the model's calls.
    if (known.hasCalls || (known.request !== null && state !== 'succeeded' && state !== 'failed')) return null
    const text = endingText(ending)
    // Of a run without any there is nothing to look for; that its trees end with a run the database sees to as well.
    if (known.hasTrees && livingTree.get(seq) !== undefined) return null
    const { changes } = endOrdinary.run(state, cause, message, at, text, seq, id, fence, owner, number)
    if (changes === 0) return null
    const outcome = outcomeOf({ ...known, id, fence, state, cause, message, ended_at: at }, ending)
    return { outcome, admitted: null, refused: nobody, ...tellOrdinary(known, outcome, ending) }
  }

  function tellOrdinary(
    { seq, number, owner, request, tells }: RememberedRun,
    outcome: Outcome,
    ending: EndingRecord,
  ): Pick<Finished, 'tell' | 'untold'> | undefined {
    if (request === null && !tells) return undefined
    return tellEnding({ seq, session: number, owner }, false, outcome, ending, ending.at)
  }

  function finishedBefore(hold: Hold): Finished {
    const outcome = findIfAny(hold.run)?.outcome
    if (outcome === undefined || outcome === null) {
      refuseUnlessHeld(hold)
      throw new TypeError(`run ${hold.run} is held and could not be finished`)
    }
    return {
      outcome,
      admitted: as<NonNullable<Finished['admitted']>>(holderOf.get(hold.run)) ?? null,
      refused: nobody,
      ...toldBefore(hold),
    }
  }

  /** The same end again, whose first answer got lost. */
  function toldBefore({ run, supervisor }: Hold): Pick<Finished, 'tell'> {
    const row = as<EndedRow & { inbox: 1 | null; ending: string | null }>(toldRun.get(run, supervisor))
    const outcome = findIfAny(run)?.outcome
    if (row === undefined || outcome === undefined || outcome === null) return {}
    const { error, calls = [] } = endingOf(row.ending)
    return { tell: outbox.content(row, row.inbox === 1, { outcome, error, calls }) }
  }

  function shorten(run: string, grace: number | null): void {
    if (grace !== null) hurry.run(grace, run, grace)
  }
}

type HeldRun = readonly [
  seq: number,
  /** Of the session's row. */
  number: number | null,
  session: string | null,
  parent: string | null,
  request: string | null,
  createdAt: number,
  startedAt: number,
  cause: Cause | null,
  message: string | null,
  breaker: string | null,
  rules: string | null,
  owner: number,
  tell: 1 | null,
  hasInbox: 1 | null,
  waitedFor: 0 | 1,
  hasTrees: 0 | 1,
]

function cannot(what: string, cause: Cause): CoppiceError {
  return new CoppiceError('invalid_option', `cause: ${cause} cannot ${what} a run`)
}
