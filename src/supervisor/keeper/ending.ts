import { isCoppiceError, toErrorMessage } from '../../errors.js'
import type { Bounds } from '../../runs/bounds.js'
import type { Cause } from '../../runs/causes.js'
import type { Outcome } from '../../runs/outcome.js'
import { advance } from '../../runs/transitions.js'
import type { Finished } from '../../store/ending-contract.js'
import type { Stop } from '../../store/records.js'
import { after, settlesWithin } from '../../timers.js'
import { runError } from '../run-error.js'
import type { TreeEnding } from '../tree-request.js'
import type { Keeper } from './keeper.js'
import { tellRefused } from './refused.js'
import type { SupervisedRun } from './run.js'
import { outcomeOfLost } from './run-of-others.js'
import { storeEnding } from './store-ending.js'
import { endSubagents } from './subagents.js'

/** How long recording `stopping` may hold the signals up: a store that hangs must not keep a tree alive. */
const recordBound = 1000
/** How long the host waits for an ending that cannot be stored before it is told so. */
const storeBound = 30_000

/**
 * Begins a run's end, or joins the one that is under way: the first cause wins. A later call that allows no
 * grace skips what is left of it.
 */
export function endRun(keeper: Keeper, run: SupervisedRun, stop: Stop): Promise<Outcome> {
  if (run.ending !== null) {
    if (stop.grace === 0) run.hurried.resolve()
    return run.ending
  }
  run.progress = advance(run.progress, stop.cause)
  run.stop = stop
  run.disarm()
  run.refuseLaunches()
  // Its callback has not been called, and will not be.
  if (keeper.places.withdraw(run) || run.isBeginning) run.markSettled()
  run.ending = end(keeper, run, stop)
  return run.ending
}

/** The way every run ends, whatever the cause. The callback and the processes can delay it, but not for long (P4). */
async function end(keeper: Keeper, run: SupervisedRun, asked: Stop): Promise<Outcome> {
  // 1. Stop. No tree is launched from here on; the cause that the store holds already is the one. A run that is lost
  // is not ours to stop: its callback hears so before the refusal of what it has just tried to write.
  if (asked.cause === 'lost') abort(keeper, run)
  const stop = await recordStopping(keeper, run, asked)
  keeper.news.stops(run, stop)
  const bounds = boundsOf(run, stop)
  run.clock.stop(bounds)

  // 2. Terminate.
  if (stop.cause !== 'lost') abort(keeper, run)
  const terminated = run.terminate(treeEndings[stop.cause] ?? 'cancelled', bounds)

  const subagents = endSubagentsOf(keeper, run, stop)

  // 3. Grace: for the trees and for the callback alike, and no longer than they need.
  const quiet = Promise.all([terminated, run.emptied(), run.settled.promise])
  await settlesWithin(bounds.grace, Promise.race([quiet, run.hurried.promise]))

  // 4. Kill.
  run.clock.graceIsOver()
  const killed = run.kill()
  await settlesWithin(bounds.killBound, run.emptied())

  // 5. Drain. Only now does a callback hear of trees that had to be killed, and may write that down.
  await run.concluded()
  if (killed) await settlesWithin(bounds.drainBound, run.settled.promise)

  // What it started ends before it, bottom up.
  await subagents

  // 6. End: the run, its lock and its ending in one transaction.
  const { outcome, admitted, refused } = await finish(keeper, run, stop)

  // 7. Tell.
  run.progress = { state: outcome.state, cause: outcome.cause }
  keeper.ended(run, outcome)
  if (!run.hasBegun) run.admitted.reject(runError(run.request, outcome.cause, outcome.message))
  tellRefused(keeper, refused)
  if (admitted !== null) keeper.onAdmitted(admitted)
  return outcome
}

/** A callback that settled has aborted its own signal. */
function abort(keeper: Keeper, run: SupervisedRun): void {
  if (run.callback === 'left_behind')
    keeper.send({ type: 'abort', run: run.id, error: toErrorMessage(run.error()) })
}

const treeEndings: Partial<Record<Cause, TreeEnding>> = {
  timed_out: 'timed_out',
  stalled: 'stalled',
  lost: 'lost',
}

/** A run that is lost has them no more than anything else: whoever has taken it ends them. */
async function endSubagentsOf(keeper: Keeper, run: SupervisedRun, stop: Stop): Promise<void> {
  if (stop.cause === 'lost' || !mayHaveSubagents(run)) return
  try {
    await endSubagents(keeper, run.id, boundsOf(run, stop))
  } catch (error) {
    keeper.log.warn(
      { run: run.id, err: error },
      'could not end the subagents of a run; its ending tries again',
    )
  }
}

/** Those of this keeper are counted; others may have been started by a tree (`coppice run` in it). */
function mayHaveSubagents(run: SupervisedRun): boolean {
  return run.subagents > 0 || run.trees > 0
}

function boundsOf(run: SupervisedRun, stop: Stop): Bounds {
  return stop.grace === null ? run.bounds : { ...run.bounds, grace: stop.grace }
}

/**
 * Writes down that the run stops, so that a crash from here on keeps its cause, and that no subagent of it is admitted
 * any more. A run without tree and subagent is ended in a moment by a single write and needs none before it.
 */
async function recordStopping(keeper: Keeper, run: SupervisedRun, asked: Stop): Promise<Stop> {
  const endsAtOnce = run.liveTrees.size === 0 && run.launches === 0 && run.subagents === 0
  if (asked.cause === 'lost' || endsAtOnce) return asked
  const recording = keeper.store.markStopping(run.held(), asked, Date.now()).then(
    (stored) => {
      run.stop = stored
      run.progress = { state: 'stopping', cause: stored.cause }
    },
    (error) => keeper.log.warn({ run: run.id, err: error }, 'could not record that the run stops'),
  )
  await settlesWithin(recordBound, recording)
  return run.stop ?? asked
}

/** Stores the ending of a run of ours, after everything that it wrote. */
async function finish(keeper: Keeper, run: SupervisedRun, stop: Stop): Promise<Finished> {
  const disarm = after(storeBound, () => keeper.unstored(run))
  try {
    return await storeEnding(
      keeper,
      run.held(),
      run.endingRecord(stop, keeper.teller?.telling ?? null, Date.now()),
      () => endSubagents(keeper, run.id, boundsOf(run, stop)),
    )
  } catch (error) {
    if (!isCoppiceError(error, 'run_lost')) throw error
    return { outcome: await outcomeOfLost(keeper, run), admitted: null, refused: [] }
  } finally {
    disarm()
  }
}
