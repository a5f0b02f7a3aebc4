import { CoppiceError } from '../../errors.js'
import { timeToEnd } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import type { StoredRun } from '../../store/records.js'
import { after, deferred, delay, settlesWithin } from '../../timers.js'
import type { Keeper } from './keeper.js'
import { recoverIfGone } from './recovery.js'
import type { SupervisedRun } from './run.js'
import { watchRun } from './wake.js'

/** The outcome of a run of another supervisor, as soon as there is one. */
export async function outcomeOfOthers(keeper: Keeper, stored: StoredRun): Promise<Outcome> {
  const { socket } = stored.supervisor
  // Also where it has ended, as one that waited does at the cancel itself: its own supervisor has to hear of that.
  if (socket !== null) keeper.tellNews(socket, stored.id)
  for (let run: StoredRun | null = stored; run !== null; run = await keeper.store.run(run.id)) {
    if (run.outcome !== null) return run.outcome
    if (await recoverIfGone(keeper, run)) continue
    await endOrAWhile(run)
    // Whoever answers at once, for whatever reason, is not asked without a pause.
    await delay(20)
  }
  throw new CoppiceError('run_ended', `run ${stored.id} is no longer in the store`, { run: stored.id })
}

function endOrAWhile({ id, supervisor: { socket } }: StoredRun): Promise<void> {
  const { promise, resolve } = deferred<void>()
  const unwatch = socket === null ? () => {} : watchRun(socket, id, resolve)
  const disarm = after(1000, resolve)
  return promise.finally(() => {
    disarm()
    unwatch()
  })
}

/**
 * What became of a run of ours that somebody else has claimed: as they end it, within the bounds of an ending, which may
 * be longer than the run's own, since whoever takes over knows those of no run. After that, or where the store does not
 * say, it is told as lost.
 */
export async function outcomeOfLost(keeper: Keeper, run: SupervisedRun): Promise<Outcome> {
  const stored = await keeper.store.run(run.id).catch(() => null)
  if (stored === null) return untold(run, null)
  const theirs = outcomeOfOthers(keeper, stored).catch(() => null)
  await settlesWithin(Math.max(timeToEnd(run.bounds), timeToEnd(keeper.bounds)), theirs)
  return (await Promise.race([theirs, null])) ?? untold(run, stored)
}

function untold(run: SupervisedRun, stored: StoredRun | null): Outcome {
  const now = Date.now()
  const startedAt = stored?.startedAt ?? now
  return {
    run: run.id,
    session: run.request.session,
    parent: run.request.parent,
    request: run.request.request?.id ?? null,
    fence: run.hold?.fence ?? null,
    state: 'lost',
    cause: 'lost',
    message: `taken over by supervisor ${stored?.supervisor.id ?? 'unknown'}`,
    forced: false,
    callback: run.callback,
    trees: run.trees,
    tree: null,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: new Date(now).toISOString(),
    waitedMs: startedAt - (stored?.createdAt ?? startedAt),
    durationMs: now - startedAt,
  }
}
