/**
 * How a run stops and ends. The cause that stands stored decides (P5); the ending's own counts where there is none.
 */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { concernsBreaker } from '../../runs/breaker.js'
import { type Cause, endings } from '../../runs/causes.js'
import { transitions } from '../../runs/transitions.js'
import type { EndingRecord, Finished, Hold, Stop, StoredRun } from '../contract.js'
import { breakerEnding, nobody } from './breaker.js'
import { finder } from './finding.js'
import { holdCheck, holding, isHeld } from './holds.js'
import type { RememberedRuns } from './remembered.js'
import { as, endingText, givingValues, outcomeOf, valuesAs } from './rows.js'
import { isLive } from './schema.js'
import { nextAdmission } from './waiters.js'

export function endingVerbs(database: DatabaseSync, remembered: RememberedRuns) {
  const refuseUnlessHeld = holdCheck(database)
  const admitNext = nextAdmission(database)
  const { find, findIfAny } = finder(database)
  const settleBreaker = breakerEnding(database)

  const stop = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ?, message = ?, stop_grace = ?, stopping_at = ?
    WHERE ${isHeld} AND state = 'running'`)
  // The first cause stays; only the patience of whoever asks again may be shorter (\`cancel({ grace: 0 })\`).
  const hurry = database.prepare(`
    UPDATE runs SET stop_grace = ? WHERE id = ? AND state = 'stopping' AND ifnull(stop_grace > ?, 1)`)
  const heldRun = givingValues(
    database.prepare(`
    SELECT runs.seq, session, s.key, parent, request, created_at, started_at, cause, message, s.breaker, runs.breaker AS rules,
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
    WHERE seq = ? AND id = ? AND state = 'running' AND fence = ? AND supervisor = ?
      AND NOT EXISTS (SELECT 1 FROM runs w WHERE w.session = ? AND w.state = 'waiting')`)
  const livingTree = database.prepare('SELECT 1 FROM trees WHERE run = ? AND ended_at IS NULL')
  const holderOf = database.prepare(`
    SELECT r.id AS run, r.fence, v.id AS supervisor, v.socket FROM runs r JOIN supervisors v ON v.seq = r.supervisor
    WHERE r.session = (SELECT session FROM runs WHERE id = ?) AND r.${isLive}`)
  const stopAnyones = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ?, message = ?, stop_grace = ?, stopping_at = ?
    WHERE id = ? AND state = 'running'`)
  const endWaiting = database.prepare(`
    UPDATE runs SET state = ?, cause = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'waiting'`)

  return {
    markStopping(hold: Hold, wanted: Stop, at: number): Stop {
      const { cause, message, grace } = wanted
      if (transitions.running[cause] === undefined) throw cannot('stop', cause)
      if (stop.run(cause, message, grace, at, ...holding(hold)).changes > 0) return wanted
      refuseUnlessHeld(hold)
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
        waitedFor,
        hasTrees,
      ] = held
      const cause = storedCause ?? ending.cause
      const message = cause === ending.cause ? (storedMessage ?? ending.message) : storedMessage
      const state = endings[cause]
      if (hasTrees === 1) endTrees.run(at, ending.tree?.proof ?? 'unproven', seq)
      end.run(state, cause, message, at, endingText(ending), seq)
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
      const admitted = waitedFor === 1 && number !== null ? admitNext(number, at) : null
      return { outcome: outcomeOf(facts, ending), admitted, refused }
    },

    requestCancel(run: string, { cause, message, grace }: Stop, at: number): StoredRun {
      const before = find(run)
      if (transitions[before.state][cause] === undefined) {
        if (before.state === 'stopping') shorten(run, grace)
      } else if (before.state === 'waiting') endWaiting.run(endings[cause], cause, message, at, run)
      else stopAnyones.run(cause, message, grace, at, run)
      return find(run)
    },

    endIfWaiting(run: string, cause: Cause, message: string | null, at: number): StoredRun {
      if (transitions.waiting[cause] === undefined) throw cannot('end waiting', cause)
      endWaiting.run(endings[cause], cause, message, at, run)
      return find(run)
    },
  }

  /** Null where the run is not that simple, or not remembered: then somebody has to look. */
  function finishOrdinary({ run: id, supervisor, fence }: Hold, ending: EndingRecord): Finished | null {
    const known = remembered.take(id)
    if (known === undefined || known.supervisor !== supervisor) return null
    const { cause, message, at } = ending
    const { seq, owner, number } = known
    const state = endings[cause]
    if (concernsBreaker(known.breaker, known.rules, state)) return null
    const text = endingText(ending)
    // Of a run without any there is nothing to look for; that its trees end with a run the database sees to as well.
    if (known.hasTrees && livingTree.get(seq) !== undefined) return null
    const { changes } = endOrdinary.run(state, cause, message, at, text, seq, id, fence, owner, number)
    if (changes === 0) return null
    return {
      outcome: outcomeOf({ ...known, id, fence, state, cause, message, ended_at: at }, ending),
      admitted: null,
      refused: nobody,
    }
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
    }
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
  waitedFor: 0 | 1,
  hasTrees: 0 | 1,
]

function cannot(what: string, cause: Cause): CoppiceError {
  return new CoppiceError('invalid_option', `cause: ${cause} cannot ${what} a run`)
}
