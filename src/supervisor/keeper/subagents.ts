import { type Bounds, timeToEnd } from '../../runs/bounds.js'
import { describeParentsEnd } from '../../runs/subagents.js'
import type { Stop, StoredRun } from '../../store/records.js'
import { settlesWithin } from '../../timers.js'
import { endOurs } from './admitted.js'
import type { Keeper } from './keeper.js'
import { recoverByForce, recoverIfGone } from './recovery.js'
import { outcomeOfOthers } from './run-of-others.js'

/**
 * Ends the runs whose parent this one is, in whatever process they are. Each of them does the same with its own before it
 * ends, so that a family ends from the bottom up. Resolves when all are terminal; one whose supervisor does not end it
 * within the parent's bounds is taken from it.
 */
export async function endSubagents(keeper: Keeper, parent: string, bounds: Bounds): Promise<void> {
  const children = await keeper.store.subagents(parent)
  await Promise.all(
    children.map(async (child) => {
      const end = endSubagent(keeper, child, stopFor(parent, bounds.grace))
      if (!(await settlesWithin(timeToEnd(bounds), end))) await recoverByForce(keeper, child)
    }),
  )
}

/** No subagent has more time than its parent, which waits for it. */
function stopFor(parent: string, grace: number): Stop {
  const message = describeParentsEnd(parent)
  return { cause: 'parent_ended', message, grace: Number.isFinite(grace) ? grace : null }
}

async function endSubagent(keeper: Keeper, child: StoredRun, stop: Stop): Promise<void> {
  const ours = keeper.runs.get(child.id)
  if (ours !== undefined) {
    await endOurs(keeper, ours, stop)
    return
  }
  // One whose supervisor is gone was lost with it, unless its parent was known to stop by then; it has no more grace for that.
  await recoverIfGone(keeper, { ...child, stop: child.stop ?? stop })
  await outcomeOfOthers(keeper, await keeper.store.requestCancel(child.id, stop, Date.now()))
}
