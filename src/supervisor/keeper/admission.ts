import type { ErrorDetails } from '../../errors.js'
import type { Cause } from '../../runs/causes.js'
import { advance } from '../../runs/transitions.js'
import type { Finished, Stop, StoredRun } from '../../store/contract.js'
import { after } from '../../timers.js'
import { runError } from '../run-error.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import { recoverIfDead } from './recovery.js'
import type { SupervisedRun } from './run.js'
import { attend } from './waiting.js'
import { tellNews } from './wake.js'

/** Writes a run down and resolves with its fence once it has its session; rejects where it ends before that. */
export async function admit(keeper: Keeper, run: SupervisedRun): Promise<number> {
  const { request } = run
  const first = await keeper.store.admit({
    run: request.run,
    supervisor: keeper.id,
    session: request.session,
    parent: request.parent,
    request: request.request,
    priority: request.priority,
    labels: request.labels,
    at: Date.now(),
  })
  run.markStored()
  if (first.state === 'running') begin(keeper, run, first.fence)
  else await queue(keeper, run, first.holder)
  return run.admitted.promise
}

/** The run has its session. */
export function begin(keeper: Keeper, run: SupervisedRun, fence: number): void {
  if (run.hold !== null) return
  run.hold = { run: run.id, supervisor: keeper.id, fence }
  run.progress = advance(run.progress, 'admitted')
  const timedOut: Stop = { cause: 'timed_out', message: null, grace: null }
  run.arm(() => after(run.bounds.timeout, () => void endRun(keeper, run, timedOut)))
  run.admitted.resolve(fence)
}

/** A run that waited has been given the session that another's end released. */
export function handOver(
  keeper: Keeper,
  { run, supervisor, fence, socket }: NonNullable<Finished['admitted']>,
): void {
  const ours = keeper.runs.get(run)
  if (supervisor === keeper.id && ours !== undefined) begin(keeper, ours, fence)
  else if (socket !== null) tellNews(socket)
}

async function queue(keeper: Keeper, run: SupervisedRun, holder: StoredRun | null): Promise<void> {
  const { wait, session } = run.request
  // A holder whose owner is dead is no reason to be refused: its end is what admits the next.
  if (holder !== null && wait === 0) await recoverIfDead(keeper, holder)
  if (session !== null) attend(keeper, session)
  if (wait !== null && run.progress.state === 'waiting') {
    run.arm(() => after(wait, () => void refuseAsBusy(keeper, run)))
  }
}

async function refuseAsBusy(keeper: Keeper, run: SupervisedRun): Promise<void> {
  const { session } = run.request
  if (session === null) return
  const holder = await keeper.store.holder(session)
  const waiting = await keeper.store.runs({ session, state: 'waiting' })
  const queueLength = waiting.filter(({ id }) => id !== run.id).length
  if (holder === null) return leave(keeper, run, 'busy', `${queueLength} others wait for it`, { queueLength })
  const since = new Date(holder.startedAt ?? holder.createdAt).toISOString()
  const { host, identity } = holder.supervisor
  const message = `held by run ${holder.id} of pid ${identity.pid} on ${host} since ${since}, ${queueLength} others wait`
  return leave(keeper, run, 'busy', message, { holder: holder.id, since, queueLength })
}

/**
 * Ends a run that waits. Where its admission was faster, it is admitted after all: then a cancellation ends it
 * as a running one, and a wait that is over is forgotten.
 */
export async function leave(
  keeper: Keeper,
  run: SupervisedRun,
  cause: Cause,
  message: string | null,
  details: ErrorDetails = {},
): Promise<void> {
  await run.stored.promise
  if (run.progress.state !== 'waiting') return
  const stored = await keeper.store.endIfWaiting(run.id, cause, message, Date.now())
  if (stored.outcome !== null) endedWaiting(keeper, run, stored, details)
  else if (stored.fence !== null) begin(keeper, run, stored.fence)
}

/** A waiting run is terminal, by our hand or by another's. */
export function endedWaiting(
  keeper: Keeper,
  run: SupervisedRun,
  { outcome }: StoredRun,
  details: ErrorDetails = {},
): void {
  if (outcome === null || run.progress.state !== 'waiting') return
  run.progress = advance(run.progress, outcome.cause)
  run.disarm()
  run.admitted.reject(runError(run.request, outcome.cause, outcome.message, details))
  keeper.ended(run, outcome)
}
