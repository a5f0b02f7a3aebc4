import { type Bounds, shareTime } from '../../runs/bounds.js'
import type { Stop } from '../../store/contract.js'
import { settlesWithin } from '../../timers.js'
import { endOurs } from './admitted.js'
import type { Keeper } from './keeper.js'
import type { SupervisedTree } from './tree.js'
import { endTree } from './tree.js'

const shutdown: Stop = { cause: 'shutdown', message: null, grace: null }
/** What storing the last endings and leaving the store may take beyond the trees' own bounds. */
const margin = 5000

/** Ends everything at once and in parallel, then leaves the store. */
export async function close(keeper: Keeper, within: number): Promise<void> {
  keeper.beginClosing()
  const recoveries = [...keeper.recoveries.values()].map((end) => ({ bounds: keeper.bounds, end }))
  const ends = [...endRuns(keeper, within), ...endTrees(keeper, within), ...recoveries]
  const bound = Math.min(longest(ends.map(({ bounds }) => bounds)), within) + margin
  await settlesWithin(bound, Promise.allSettled(ends.map(({ end }) => end)))
  keeper.leave()
  try {
    if (keeper.isJoined) await keeper.store.unregister(keeper.id, Date.now())
  } finally {
    await keeper.wakeSocket?.close()
    if (keeper.hasStore) await keeper.store.close()
    await keeper.containment.close()
    await keeper.closeLog()
  }
}

/** Leaves no grace to what is ending. */
export function hurry(keeper: Keeper): void {
  const warn = (error: unknown) => keeper.log.warn({ err: error }, 'could not hurry a close')
  for (const { end } of endRuns(keeper, 0)) end.catch(warn)
  for (const tree of treesWithoutRun(keeper)) tree.hurry()
}

interface End {
  readonly bounds: Bounds
  readonly end: Promise<unknown>
}

function endRuns(keeper: Keeper, within: number): End[] {
  return [...keeper.runs.values()].map((run) => {
    run.bounds = shareTime(run.bounds, within)
    return { bounds: run.bounds, end: endOurs(keeper, run, { ...shutdown, grace: run.bounds.grace }) }
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
