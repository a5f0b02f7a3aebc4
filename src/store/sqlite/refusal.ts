/** Runs that are not to wait for their session: they are refused in the transaction that would have queued them. */
import type { DatabaseSync } from 'node:sqlite'
import type { Admission, Queued, Refused } from '../contract.js'
import { describeHolder } from '../holder-text.js'
import { describeRing, ringFinder } from './deadlock.js'
import { finder } from './finding.js'

export function refusalVerb(database: DatabaseSync) {
  const findRing = ringFinder(database)
  const { find } = finder(database)
  const refuse = database.prepare(`
    UPDATE runs SET state = 'refused', cause = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'waiting'`)

  /** For a run that has just been queued. Null where it may wait. */
  return (admission: Admission, { holder, queueLength }: Queued): Refused | null => {
    const { run, session, parent, maxWaiters, at } = admission
    const others = queueLength - 1
    const ring = session === null ? null : findRing(run, session, parent)
    if (ring !== null)
      return refused('deadlock', describeRing(ring), [run, ...ring.map((wait) => wait.holder)])
    if (others < maxWaiters) return null
    const held = holder === null ? `${others} others wait for it` : describeHolder(holder, others)
    return refused('queue_full', `${held}, and no more than ${maxWaiters} may`, null)

    function refused(
      cause: 'deadlock' | 'queue_full',
      message: string,
      ids: readonly string[] | null,
    ): Refused {
      refuse.run(cause, message, at, run)
      const { outcome } = find(run)
      if (outcome === null) throw new TypeError(`run ${run} was refused and has no outcome`)
      return { state: 'refused', outcome, holder, queueLength: others, ring: ids }
    }
  }
}
