import { after, delay } from '../../timers.js'
import type { KeepSettings } from '../keeper-settings.js'
import type { Keeper } from './keeper.js'

/** A slice takes a millisecond or two, and between two of them whoever waits for the store has his turn. */
const slice = { runs: 200, pause: 20 }
const hour = 60 * 60 * 1000
/** After its opening a supervisor has something better to do. */
const firstAfter = 60 * 1000

/** Forgets old runs now and then, in slices, as long as the supervisor is there. */
export function keepPruning(keeper: Keeper): void {
  const { age, number } = keeper.keep
  if (age === Number.POSITIVE_INFINITY && number === null) return
  const later = (delay: number) => {
    const disarm = after(delay, () => {
      prune(keeper, keeper.keep).then(
        () => later(hour),
        (error) => {
          keeper.log.warn({ err: error }, 'could not forget old runs; trying again later')
          later(hour)
        },
      )
    })
    keeper.left.then(disarm)
  }
  later(firstAfter)
}

/** One walk through all runs. */
export async function prune(keeper: Keeper, { age, number }: KeepSettings): Promise<Pruned> {
  const pruned = { runs: 0, requests: 0, trees: 0 }
  const before = age === Number.POSITIVE_INFINITY ? 0 : Date.now() - age
  for (let next: number | null = 0; next !== null && !keeper.isClosing; ) {
    const step = await keeper.store.prune({ before, number, after: next, limit: slice.runs })
    pruned.runs += step.runs
    pruned.requests += step.requests
    pruned.trees += step.trees
    next = step.next
    if (next !== null) await delay(slice.pause)
  }
  return pruned
}

interface Pruned {
  runs: number
  requests: number
  trees: number
}
