import type { TreeRequest, TreeResult } from '../tree-request.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'
import type { TreePlace } from './tree-places.js'

/**
 * A launch that waits for a tree's place. Null where it was cancelled meanwhile; rejects with the run's error where that
 * has begun to end.
 */
export async function waitForPlace(
  keeper: Keeper,
  run: SupervisedRun | null,
  { tree }: TreeRequest,
): Promise<TreePlace | null> {
  const cancelling = new AbortController()
  keeper.launches.set(tree, () => cancelling.abort())
  const signals = run === null ? [cancelling.signal] : [cancelling.signal, run.stopping]
  try {
    const place = await keeper.treePlaces.take(run, AbortSignal.any(signals))
    try {
      run?.admitsTrees()
    } catch (error) {
      if (place !== null) keeper.treePlaces.leave(place)
      throw error
    }
    return place
  } finally {
    keeper.launches.delete(tree)
  }
}

/** What became of a command that was cancelled before there was a place for it: nothing was started. */
export function neverLaunched(keeper: Keeper): TreeResult {
  return {
    exit: { code: null, signal: null },
    ended: 'cancelled',
    byRun: false,
    forced: false,
    report: {
      containment: keeper.containment.kind,
      proof: 'empty',
      killed: 0,
      lingered: [],
      survivors: [],
      exceeded: null,
      usage: null,
    },
    lingers: false,
    durationMs: 0,
  }
}
