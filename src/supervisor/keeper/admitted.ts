import ms from 'ms'
import { type ErrorDetails, isCoppiceError } from '../../errors.js'
import type { Cause } from '../../runs/causes.js'
import type { Outcome } from '../../runs/outcome.js'
import { advance } from '../../runs/transitions.js'
import type { Finished } from '../../store/ending-contract.js'
import type { Stop, StoredRun } from '../../store/records.js'
import { after } from '../../timers.js'
import { runError } from '../run-error.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'
import { outcomeOfLost } from './run-of-others.js'
import { StallWatch } from './stall-watch.js'

/** The two ways out of the queue: a waiting run is given its session, or ends without it. */

/** The run has its session, and begins as soon as there is a place for it. */
export function begin(keeper: Keeper, run: SupervisedRun, fence: number): void {
  if (run.hold !== null) return
  run.hold = { run: run.id, supervisor: keeper.id, fence }
  run.progress = advance(run.progress, 'admitted')
  run.waitedMs = run.ageMs
  keeper.news.admitted(run, fence)
  // It has waited for its session as long as it might; for a place it waits as long as it takes.
  run.disarm()
  keeper.places.take(run, () => {
    run.clock.begin(run.bounds)
    const timedOut: Stop = { cause: 'timed_out', message: null, grace: null }
    run.arm(() => after(run.bounds.timeout, () => void endRun(keeper, run, timedOut)))
    run.stallWatch = watchStalls(keeper, run)
    if (run.request.request === null || run.isCounted) call(run, fence)
    else void countAndCall(keeper, run, fence)
  })
}

/** Its callback is called. */
function call(run: SupervisedRun, fence: number): void {
  run.hasBegun = true
  run.admitted.resolve(fence)
}

/** A run that has waited is a try of its request from now on: that is stored before its callback is called. */
async function countAndCall(keeper: Keeper, run: SupervisedRun, fence: number): Promise<void> {
  run.isBeginning = true
  try {
    const tries = await keeper.store.begun(run.held())
    if (run.facts !== null) run.facts = { ...run.facts, tries }
  } catch (error) {
    const isLost = isCoppiceError(error, 'run_lost') || isCoppiceError(error, 'run_ended')
    const message = error instanceof Error ? error.message : String(error)
    if (isLost) void endRun(keeper, run, { cause: 'lost', message, grace: null })
    else keeper.log.warn({ run: run.id, err: error }, 'could not count a try of a request')
  }
  run.isBeginning = false
  if (run.ending === null) call(run, fence)
}

function watchStalls(keeper: Keeper, run: SupervisedRun): StallWatch {
  const { id } = run
  const { stallTimeout } = run.bounds
  keeper.hostLoop.counts(stallTimeout)
  return new StallWatch({
    timeout: stallTimeout,
    ask: () => keeper.send({ type: 'askStill', run: id }),
    blockedWithin: (milliseconds) => keeper.hostLoop.blockedWithin(milliseconds),
    onHalf({ milliseconds, doing }) {
      keeper.news.stallWarning(run, Math.round(milliseconds), doing)
    },
    onStall({ doing }) {
      const message = `no progress for ${ms(stallTimeout)} at ${doing}`
      void endRun(keeper, run, { cause: 'stalled', message, grace: null })
    },
  })
}

/** A run that waited has been given the session that another's end released. */
export function handOver(
  keeper: Keeper,
  { run, supervisor, fence, socket }: NonNullable<Finished['admitted']>,
): void {
  const ours = keeper.runs.get(run)
  if (supervisor === keeper.id && ours !== undefined) begin(keeper, ours, fence)
  else if (socket !== null) keeper.tellNews(socket, run)
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
  if (stored.outcome !== null) {
    endedWaiting(keeper, run, stored, details)
    void passOn(keeper, run.request.session)
  } else if (stored.supervisor.id !== keeper.id) loseWaiting(keeper, run)
  else if (stored.fence !== null) begin(keeper, run, stored.fence)
}

/**
 * Somebody has left the queue. Its session may be free: whoever was passed over while its supervisor slept is to have it, and
 * the others wait behind it. Then it is the next one's at once, and not when somebody looks.
 */
export async function passOn(keeper: Keeper, session: string | null): Promise<void> {
  if (session === null) return
  try {
    if ((await keeper.store.holder(session)) !== null) return
    const next = await keeper.store.admitWaiting(session, Date.now())
    if (next !== null) keeper.onAdmitted(next)
  } catch (error) {
    keeper.log.debug({ session, err: error }, 'could not see who is next; whoever waits looks by itself')
  }
}

/** A waiting run is terminal, by our hand or by another's. */
export function endedWaiting(
  keeper: Keeper,
  run: SupervisedRun,
  { outcome }: Pick<StoredRun, 'outcome'>,
  details: ErrorDetails = {},
): void {
  if (outcome === null || run.progress.state !== 'waiting') return
  run.progress = advance(run.progress, outcome.cause)
  run.disarm()
  run.admitted.reject(runError(run.request, outcome.cause, outcome.message, details))
  keeper.ended(run, outcome)
  // Its ending is in the outbox, for whoever tells it.
  if (run.request.request !== null || run.request.tells) keeper.teller?.look()
}

/**
 * Another supervisor has claimed a run that waits here: it was admitted, and lost, while this one slept. Its callback is
 * never called, and how it ended is the claimant's to say.
 */
export function loseWaiting(keeper: Keeper, run: SupervisedRun): void {
  run.progress = advance(run.progress, 'lost')
  run.disarm()
  run.ending = outcomeOfLost(keeper, run).then((outcome) => {
    run.admitted.reject(runError(run.request, outcome.cause, outcome.message))
    keeper.ended(run, outcome)
    return outcome
  })
}

/**
 * Ends a run of ours in whatever state it is: one that waits leaves the queue, unless its admission is faster; one
 * that has its session is ended with its trees. Null where it never got it.
 */
export async function endOurs(keeper: Keeper, run: SupervisedRun, stop: Stop): Promise<Outcome | null> {
  await run.stored.promise
  if (run.progress.state === 'waiting') await leave(keeper, run, stop.cause, stop.message)
  return run.hold === null && run.ending === null ? null : endRun(keeper, run, stop)
}
