import { shareTime } from '../../runs/bounds.js'
import type { Stop } from '../../store/contract.js'
import { settlesWithin } from '../../timers.js'
import { leave } from './admission.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import { endTree } from './tree.js'

const shutdown: Stop = { cause: 'shutdown', message: null, grace: null }
/** What storing the last endings and closing the store may take beyond the trees' own bounds. */
const margin = 5000

/** Ends everything at once and in parallel, then leaves the store. A second call hurries the first. */
export async function close(keeper: Keeper, within: number): Promise<void> {
  keeper.beginClosing()
  const runs = [...keeper.runs.values()].map((run) => {
    run.bounds = shareTime(run.bounds, within)
    if (run.progress.state === 'waiting') return leave(keeper, run, 'shutdown', null)
    return endRun(keeper, run, { ...shutdown, grace: run.bounds.grace })
  })
  const trees = [...keeper.trees.values()]
    .filter(({ request }) => request.run === null)
    .map((tree) => endTree(tree, 'cancelled', shareTime(tree.request.bounds, within)))
  await settlesWithin(longest(keeper, within) + margin, Promise.allSettled([...runs, ...trees]))
  await settlesWithin(
    margin,
    Promise.allSettled([...keeper.recoveries.values(), ...keeper.attended.values()]),
  )
  if (keeper.hasStore) {
    if (keeper.isJoined) await keeper.store.unregister(keeper.id, Date.now())
    await keeper.wakeSocket?.close()
    await keeper.store.close()
  }
  await keeper.containment.close()
}

function longest(keeper: Keeper, within: number): number {
  const all = [...keeper.runs.values()].map(({ bounds }) => bounds)
  const bounds = [
    ...all,
    ...[...keeper.trees.values()].map(({ request }) => shareTime(request.bounds, within)),
  ]
  return Math.max(0, ...bounds.map(({ grace, killBound, drainBound }) => grace + killBound + drainBound))
}
