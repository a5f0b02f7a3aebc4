import { type Bounds, shareTime } from '../../runs/bounds.js'
import type { Stop } from '../../store/contract.js'
import { settlesWithin } from '../../timers.js'
import { leave } from './admitted.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import type { SupervisedTree } from './tree.js'
import { endTree } from './tree.js'

const shutdown: Stop = { cause: 'shutdown', message: null, grace: null }
/** What storing the last endings and leaving the store may take beyond the trees' own bounds. */
const margin = 5000

/** Ends everything at once and in parallel, then leaves the store. */
export async function close(keeper: Keeper, within: number): Promise<void> {
  keeper.beginClosing()
  const ends = [...endRuns(keeper, within), ...endTrees(keeper, within)]
  await settlesWithin(
    longest(ends.map(({ bounds }) => bounds)) + margin,
    Promise.allSettled(ends.map(({ end }) => end)),
  )
  const shared = [...keeper.recoveries.values(), ...keeper.attended.values()]
  await settlesWithin(margin, Promise.allSettled(shared))
  await keeper.wakeSocket?.close()
  if (keeper.hasStore) {
    if (keeper.isJoined) await keeper.store.unregister(keeper.id, Date.now())
    await keeper.store.close()
  }
  await keeper.containment.close()
}

/** Leaves no grace to what is ending. */
export function hurry(keeper: Keeper): void {
  endRuns(keeper, 0)
  for (const tree of treesWithoutRun(keeper)) tree.hurry()
}

interface End {
  readonly bounds: Bounds
  readonly end: Promise<unknown>
}

function endRuns(keeper: Keeper, within: number): End[] {
  return [...keeper.runs.values()].map((run) => {
    if (run.progress.state === 'waiting')
      return { bounds: run.bounds, end: leave(keeper, run, 'shutdown', null) }
    run.bounds = shareTime(run.bounds, within)
    return { bounds: run.bounds, end: endRun(keeper, run, { ...shutdown, grace: run.bounds.grace }) }
  })
}

function endTrees(keeper: Keeper, within: number): End[] {
  return treesWithoutRun(keeper).map((tree) => {
    const bounds = shareTime(tree.request.bounds, within)
    return { bounds, end: endTree(tree, 'cancelled', bounds) }
  })
}

function treesWithoutRun(keeper: Keeper): SupervisedTree[] {
  return [...keeper.trees.values()].filter(({ request }) => request.run === null)
}

function longest(all: readonly Bounds[]): number {
  return Math.max(0, ...all.map(({ grace, killBound, drainBound }) => grace + killBound + drainBound))
}
