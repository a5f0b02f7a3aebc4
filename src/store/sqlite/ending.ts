/**
 * How a run stops and ends. Whatever stands stored as its cause decides (P5): the update that ends a run takes the
 * stored cause where there is one, and the ending's where there is none.
 */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { type Cause, causes, endings } from '../../runs/causes.js'
import { transitions } from '../../runs/transitions.js'
import type { EndingRecord, Finished, Hold, Stop, StoredRun } from '../contract.js'
import { nextAdmission } from './admission.js'
import { finder } from './finding.js'
import { holdCheck, holding, isHeld } from './holds.js'
import { as, endingText, outcomeOf, type RunFacts } from './rows.js'
import { isLive, quoted } from './schema.js'

export function endingVerbs(database: DatabaseSync) {
  const refuseUnlessHeld = holdCheck(database)
  const admitNext = nextAdmission(database)
  const { find, findIfAny } = finder(database)

  const stop = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ?, message = ?, stop_grace = ?, stopping_at = ?
    WHERE ${isHeld} AND state = 'running'`)
  // The first cause stays; only the patience of whoever asks again may be shorter (\`cancel({ grace: 0 })\`).
  const hurry = database.prepare(`
    UPDATE runs SET stop_grace = ? WHERE id = ? AND state = 'stopping' AND ifnull(stop_grace > ?, 1)`)
  const finish = database.prepare(`
    UPDATE runs SET cause = ifnull(cause, ?), state = ${endStateOr('?')}, ended_at = ?, ending = ?,
      message = iif(cause IS NULL OR cause = ? AND message IS NULL, ?, message)
    WHERE ${isHeld}
    RETURNING id, parent, request, state, cause, message, fence, created_at, started_at, ended_at, session AS number,
      (SELECT key FROM sessions WHERE id = runs.session) AS session,
      EXISTS (SELECT 1 FROM runs w WHERE w.session = runs.session AND w.state = 'waiting') AS waited_for`)
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
      const { cause, message, at } = ending
      if (transitions.running[cause] === undefined) throw cannot('end', cause)
      const text = endingText(ending)
      const row = as<FinishedRow>(
        finish.get(cause, endings[cause], at, text, cause, message, ...holding(hold)),
      )
      if (row === undefined) return finishedBefore(hold)
      const outcome = outcomeOf(row, ending)
      if (outcome === null) throw new TypeError(`run ${row.id} was finished and is ${row.state}`)
      const admitted = row.waited_for === 1 && row.number !== null ? admitNext(row.number, at) : null
      return { outcome, admitted }
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

  function finishedBefore(hold: Hold): Finished {
    const outcome = findIfAny(hold.run)?.outcome
    if (outcome === undefined || outcome === null) {
      refuseUnlessHeld(hold)
      throw new TypeError(`run ${hold.run} is held and could not be finished`)
    }
    return { outcome, admitted: as<NonNullable<Finished['admitted']>>(holderOf.get(hold.run)) ?? null }
  }

  function shorten(run: string, grace: number | null): void {
    if (grace !== null) hurry.run(grace, run, grace)
  }
}

interface FinishedRow extends RunFacts {
  /** Of the session's row. */
  readonly number: number | null
  readonly waited_for: 0 | 1
}

/** The terminal state that follows from the stored cause, and `otherwise` where none is stored. */
function endStateOr(otherwise: string): string {
  const stored = causes.map((cause) => `WHEN ${quoted(cause)} THEN ${quoted(endings[cause])}`).join(' ')
  return `CASE cause ${stored} ELSE ${otherwise} END`
}

function cannot(what: string, cause: Cause): CoppiceError {
  return new CoppiceError('invalid_option', `cause: ${cause} cannot ${what} a run`)
}
