/**
 * A run whose owner is dead gets another one. The claim is on the condition that nothing changed since the claimant
 * looked, the owner's renewal included: of many claimants one wins, and none against an owner that lives after all.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isTerminal } from '../../runs/states.js'
import type { Hold, StoredRun } from '../records.js'
import { finder } from './finding.js'
import { waiterEnd } from './refusal.js'
import { as } from './rows.js'
import { isLive } from './schema.js'
import { closed } from './supervisors.js'

export function takeoverVerbs(database: DatabaseSync) {
  const unchanged = `
    id = ? AND state = ? AND fence IS ?
    AND supervisor = (SELECT seq FROM supervisors WHERE id = ? AND renewed_at = ?)`
  const claim = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ifnull(cause, 'lost'), stopping_at = ifnull(stopping_at, ?),
      fence = fence + 1, supervisor = (SELECT seq FROM supervisors WHERE id = ?)
    WHERE ${unchanged} AND ${isLive}
    RETURNING fence`)
  const force = database.prepare(`
    UPDATE runs SET state = 'stopping', cause = ifnull(cause, 'lost'), stopping_at = ifnull(stopping_at, ?),
      fence = fence + 1, supervisor = (SELECT seq FROM supervisors WHERE id = ?)
    WHERE id = ? AND ${isLive} AND supervisor <> (SELECT seq FROM supervisors WHERE id = ?)
    RETURNING fence`)
  const loseWaiter = database.prepare(`
    UPDATE runs SET state = 'lost', cause = 'lost', ended_at = ?, supervisor = (SELECT seq FROM supervisors WHERE id = ?)
    WHERE ${unchanged} AND state = 'waiting'
    RETURNING 0 AS fence`)
  const { find } = finder(database)
  const tellEnd = waiterEnd(database)
  const isOpen = database.prepare('SELECT 1 FROM supervisors WHERE id = ? AND closed_at IS NULL')

  return {
    takeOverIfUnchanged(seen: StoredRun, supervisor: string, at: number): Hold | null {
      if (isTerminal(seen.state)) return null
      if (isOpen.get(supervisor) === undefined) throw closed(supervisor)
      const statement = seen.state === 'waiting' ? loseWaiter : claim
      const { id: owner, renewedAt } = seen.supervisor
      const claimed = as<{ fence: number }>(
        statement.get(at, supervisor, seen.id, seen.state, seen.fence, owner, renewedAt),
      )
      if (claimed !== undefined) {
        if (seen.state === 'waiting') tellEnd(seen.id, at)
        return { run: seen.id, supervisor, fence: claimed.fence }
      }
      return claimedBefore(seen, supervisor)
    },

    takeOverByForce(run: string, supervisor: string, at: number): Hold | null {
      if (isOpen.get(supervisor) === undefined) throw closed(supervisor)
      const claimed = as<{ fence: number }>(force.get(at, supervisor, run, supervisor))
      if (claimed !== undefined) return { run, supervisor, fence: claimed.fence }
      const { state, fence, supervisor: owner } = find(run)
      // The same claim again, whose first answer got lost.
      return owner.id === supervisor && state === 'stopping' && fence !== null
        ? { run, supervisor, fence }
        : null
    },
  }

  /** The same claim again, whose first answer got lost. */
  function claimedBefore(seen: StoredRun, supervisor: string): Hold | null {
    if (seen.supervisor.id === supervisor) return null
    const now = find(seen.id)
    if (now.supervisor.id !== supervisor) return null
    if (seen.state === 'waiting') return now.state === 'lost' ? { run: seen.id, supervisor, fence: 0 } : null
    const fence = (seen.fence ?? 0) + 1
    return now.state === 'stopping' && now.fence === fence ? { run: seen.id, supervisor, fence } : null
  }
}
