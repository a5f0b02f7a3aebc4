/**
 * The breaker of a session stands in its row, and only while failures are remembered: an ordinary session has none, which
 * its admission reads with the rest of the row.
 */
import type { DatabaseSync } from 'node:sqlite'
import {
  afterEnd,
  type Breaker,
  type BreakerRules,
  describeOpened,
  type EndedTurn,
  isTrialDue,
} from '../../runs/breaker.js'
import type { Admission, Refused } from '../admission-contract.js'
import type { Finished } from '../ending-contract.js'
import { refuseVerb, waiterEnd } from './refusal.js'
import { allAs, as } from './rows.js'

export function parseBreaker(text: string | null): Breaker | null {
  return text === null ? null : (JSON.parse(text) as Breaker)
}

function breakerWriter(database: DatabaseSync) {
  const write = database.prepare('UPDATE sessions SET breaker = ? WHERE id = ?')
  return (session: number, breaker: Breaker | null): void => {
    write.run(breaker === null ? null : JSON.stringify(breaker), session)
  }
}

/** Answers for a session whose row holds a breaker. Null where the run goes on as in any other, maybe as the trial. */
export function breakerAdmission(database: DatabaseSync) {
  const refuse = refuseVerb(database)
  const write = breakerWriter(database)

  return (admission: Admission, session: number, isFree: boolean, text: string): Refused | null => {
    const breaker = parseBreaker(text)
    const opened = breaker?.opened ?? null
    if (breaker === null || opened === null) return null
    if (!isTrialDue(opened, admission.at) || !isFree)
      return refuse(admission, 'breaker_open', describeOpened(opened), { breaker })
    write(session, { ...breaker, opened: { ...opened, trial: admission.run } })
    return null
  }
}

export interface HeldBreaker {
  readonly session: number
  /** As the session's row has it. */
  readonly breaker: string | null
  /** As the run's row has them. */
  readonly rules: string | null
}

/** The end of a run that holds a session, as its breaker sees it. Its waiters are refused where it opens. */
export function breakerEnding(database: DatabaseSync) {
  const write = breakerWriter(database)
  const refuseWaiters = database.prepare(`
    UPDATE runs SET state = 'refused', cause = 'breaker_open', message = ?, ended_at = max(?, created_at)
    WHERE session = ? AND state = 'waiting' RETURNING id AS run, supervisor`)
  const tellEnd = waiterEnd(database)
  const socketOf = database.prepare('SELECT socket FROM supervisors WHERE seq = ?')

  return ({ session, breaker: text, rules }: HeldBreaker, end: EndedTurn): Finished['refused'] => {
    if (text === null && rules === null) return nobody
    const before = parseBreaker(text)
    const after = afterEnd(before, rules === null ? null : (JSON.parse(rules) as BreakerRules), end)
    if (after === before) return nobody
    write(session, after)
    if (after === null || after.opened === null) return nobody
    const waiters = refuseWaiters.all(describeOpened(after.opened), end.at, session)
    return allAs<{ run: string; supervisor: number }>(waiters).map(({ run, supervisor }) => {
      tellEnd(run, end.at)
      return { run, socket: as<{ socket: string | null }>(socketOf.get(supervisor))?.socket ?? null }
    })
  }
}

export const nobody: Finished['refused'] = []

export function breakerVerbs(database: DatabaseSync) {
  const ofSession = database.prepare('SELECT id, breaker FROM sessions WHERE key = ?')
  const write = breakerWriter(database)

  function find(session: string): { readonly id: number; readonly breaker: Breaker | null } | null {
    const row = as<{ id: number; breaker: string | null }>(ofSession.get(session))
    return row === undefined ? null : { id: row.id, breaker: parseBreaker(row.breaker) }
  }

  return {
    breaker: (session: string): Breaker | null => find(session)?.breaker ?? null,
    closeBreaker(session: string): Breaker | null {
      const found = find(session)
      if (found === null || found.breaker === null) return null
      write(found.id, null)
      return found.breaker
    },
  }
}
