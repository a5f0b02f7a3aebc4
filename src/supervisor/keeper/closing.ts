import { type Bounds, timeToEnd } from '../../runs/bounds.js'
import type { Stop } from '../../store/records.js'
import { settlesWithin } from '../../timers.js'
import type { ClosingHaste } from '../messages.js'
import { endOurs, leave } from './admitted.js'
import { ClosingTime } from './closing-time.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'
import type { SupervisedTree } from './tree.js'
import { endTree } from './tree.js'

/** How long endings are still told. Those of a handler that hangs or fails are for whoever comes next. */
const tellBound = 5000
/** Of what is left of a close's time, what leaving the store may take. */
const margin = 500

const shutdown: Stop = { cause: 'shutdown', message: null, grace: null }

/**
 * Admits no more, lets what runs finish for as long as the drain lasts, then ends everything at once and in parallel, and
 * leaves the store. What could not be ended in its time stays in the store as it is, stopping with its cause, for whoever
 * recovers it.
 */
export async function close(keeper: Keeper, drain: number, within: number): Promise<void> {
  const time = new ClosingTime(drain, within)
  keeper.beginDraining(time)
  keeper.news.closing(keeper.runs.size, drain, within)
  if (drain > 0) await drainRuns(keeper, time)

  keeper.beginClosing()
  const recoveries = [...keeper.recoveries.values()].map((end) => ({ bounds: keeper.bounds, end }))
  const ends = [...endRuns(keeper, time), ...endTrees(keeper, time), ...recoveries]
  time.beginEnding(longest(ends.map(({ bounds }) => bounds)))
  await Promise.race([Promise.allSettled(ends.map(({ end }) => end)), time.over])

  await keeper.teller?.drain(Math.min(tellBound, Math.max(0, time.left - margin)))
  const unfinished = keeper.runs.size
  // Together: a store that cannot be left is no reason to leave a launcher behind.
  const leaving = Promise.all([leaveStore(keeper), keeper.containment.close()])
  const hasLeft = await settlesWithin(Number.isFinite(time.within) ? time.left : time.within, leaving)
  time.stop()
  keeper.news.closed(unfinished)
  await keeper.closeLog()
  if (hasLeft) await leaving
}

/** What runs goes on, and starts what it needs for that; what waits is told at once, and nobody waits behind it. */
async function drainRuns(keeper: Keeper, time: ClosingTime): Promise<void> {
  for (const run of keeper.runs.values()) {
    if (run.progress.state !== 'waiting' || isNeeded(keeper, run)) continue
    leave(keeper, run, 'shutdown', null).catch((error) =>
      keeper.log.warn(
        { run: run.id, err: error },
        'could not end a waiting run for a shutdown; the end of the drain tries again',
      ),
    )
  }
  await Promise.race([keeper.quiet(), time.drained])
}

/** A subagent of a run that goes on: its parent cannot finish without it. */
function isNeeded(keeper: Keeper, { request: { parent } }: SupervisedRun): boolean {
  return parent !== null && keeper.runs.has(parent)
}

/** Whoever asks again, or sends a second signal, has less time: a drain is over sooner, and a grace with it. */
export function hasten(keeper: Keeper, { drain, within }: ClosingHaste): void {
  const { time } = keeper
  if (time === null) return
  if (within !== null) time.shortenTo(within)
  if (within === 0) time.endDrainAfter(0)
  else if (drain !== null) time.endDrainAfter(drain)
  if (within === null || !keeper.isClosing) return
  time.after(time.share(keeper.bounds, within).grace, () => endGraces(keeper))
}

/** Leaves no grace to what is ending. */
function endGraces(keeper: Keeper): void {
  const warn = (error: unknown) => keeper.log.warn({ err: error }, 'could not hurry a close')
  for (const run of keeper.runs.values()) endOurs(keeper, run, { ...shutdown, grace: 0 }).catch(warn)
  for (const tree of treesWithoutRun(keeper)) tree.hurry()
}

async function leaveStore(keeper: Keeper): Promise<void> {
  keeper.leave()
  try {
    if (keeper.teller !== null) await keeper.store.leaveEndings(keeper.id, { except: [] })
    if (keeper.isJoined) await keeper.store.unregister(keeper.id, Date.now())
  } finally {
    await keeper.wakeSocket?.close()
    if (keeper.hasStore) await keeper.store.close()
  }
}

interface End {
  readonly bounds: Bounds
  readonly end: Promise<unknown>
}

/** One that is ending already has its own cause, and no more grace than the others. */
function endRuns(keeper: Keeper, time: ClosingTime): End[] {
  return [...keeper.runs.values()].map((run) => {
    run.bounds = time.share(run.bounds)
    if (run.ending !== null) time.after(run.bounds.grace, () => run.hurried.resolve())
    return { bounds: run.bounds, end: endOurs(keeper, run, { ...shutdown, grace: run.bounds.grace }) }
  })
}

function endTrees(keeper: Keeper, time: ClosingTime): End[] {
  return treesWithoutRun(keeper).map((tree) => {
    const bounds = time.share(tree.request.bounds)
    return { bounds, end: endTree(tree, 'cancelled', bounds) }
  })
}

function treesWithoutRun(keeper: Keeper): SupervisedTree[] {
  return [...keeper.trees.values()].filter(({ request }) => request.run === null)
}

function longest(all: readonly Bounds[]): number {
  return Math.max(0, ...all.map(timeToEnd))
}
