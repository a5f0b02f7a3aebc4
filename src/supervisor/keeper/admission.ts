import { CoppiceError } from '../../errors.js'
import { timeToEnd } from '../../runs/bounds.js'
import type { Admission, Delivered, Existing, Refused } from '../../store/admission-contract.js'
import { describeHolder } from '../../store/holder-text.js'
import type { StoredRun } from '../../store/records.js'
import { after, settlesWithin } from '../../timers.js'
import { begin, endedWaiting, endOurs, leave } from './admitted.js'
import { endIfLost } from './following.js'
import type { Keeper } from './keeper.js'
import { recoverIfGone } from './recovery.js'
import { detailsOf, holderDetails } from './refused.js'
import type { SupervisedRun } from './run.js'

/** Writes a run down. Resolves to the run that has its request already, where one does: then this one never was. */
export async function admit(keeper: Keeper, run: SupervisedRun): Promise<Delivered | Existing | null> {
  let { holder, followed } = await ask(keeper, run)
  // A run whose supervisor is dead has the request no more: once that is stored, it is for this run.
  while (followed !== null && (await endIfLost(keeper, followed.run))) {
    if (keeper.isClosing) throw new CoppiceError('supervisor_closed', 'the supervisor is closing')
    ;({ holder, followed } = await ask(keeper, run))
  }
  if (followed !== null) return followed
  // Not awaited: it may end before that, and whoever asked is told so at once.
  if (run.progress.state === 'waiting') void queue(keeper, run, holder)
  return null
}

/** For a run that waits already. Its session may be free, and nobody else may be about to tell it so. */
export async function admitAgain(keeper: Keeper, run: SupervisedRun): Promise<void> {
  await ask(keeper, run)
}

interface Asked {
  /** Whoever holds the session that the run did not get. */
  readonly holder: StoredRun | null
  readonly followed: Delivered | Existing | null
}

const itself: Asked = { holder: null, followed: null }

async function ask(keeper: Keeper, run: SupervisedRun): Promise<Asked> {
  const { request } = run
  const admission = admissionOf(keeper, run)
  // One that is stored already is counted among those that wait.
  const answer =
    !run.isStored && keeper.places.isFullFor(run, keeper.runs.values())
      ? await keeper.store.refuse(admission, 'queue_full', 'as many runs of its supervisor wait as may')
      : await keeper.store.admit(admission)
  if (answer.state === 'delivered' || answer.state === 'existing') return { holder: null, followed: answer }
  const isNew = !run.isStored
  run.markStored()
  keeper.lookout.watch()
  if (answer.state === 'refused') {
    refused(keeper, run, answer)
    return itself
  }
  if (answer.request !== undefined) run.facts = answer.request
  if (answer.state === 'running') {
    run.isCounted = admission.begins
    begin(keeper, run, answer.fence)
    // It is stored, and may wait for a place.
    if (request.request !== null && !run.hasBegun) keeper.send({ type: 'waits', run: run.id })
    return itself
  }
  if (isNew) {
    keeper.news.waits(run, answer.holder, answer.queueLength)
    // One that may not wait is about to be refused.
    if (request.request !== null && request.wait !== 0) keeper.send({ type: 'waits', run: run.id })
  }
  if (request.interrupts && answer.holder !== null) interrupt(keeper, answer.holder)
  return { holder: answer.holder, followed: null }
}

function refused(keeper: Keeper, run: SupervisedRun, answer: Refused): void {
  endedWaiting(keeper, run, answer, detailsOf(answer))
  // A trial whose owner is dead would keep the breaker open for ever: nobody waits for its session, and so nobody looks.
  if (answer.breaker === null || answer.holder === null) return
  recoverIfGone(keeper, answer.holder).catch((error) =>
    keeper.log.error({ run: run.id, err: error }, 'could not recover the run that tries a session out'),
  )
}

function admissionOf(keeper: Keeper, run: SupervisedRun): Admission {
  const { request } = run
  return {
    run: request.run,
    supervisor: keeper.id,
    session: request.session,
    parent: request.parent,
    request: request.request,
    maxTries: keeper.maxTries,
    // One that waits is counted when its callback is called.
    begins: !run.isStored && keeper.places.hasRoomFor(run),
    delivers: request.delivers,
    tells: request.tells,
    priority: request.priority,
    interrupts: request.interrupts,
    maxWaiters: request.maxWaiters,
    mostWaiting: keeper.places.mostWaiting,
    breaker: request.breaker,
    labels: request.labels,
    at: Date.now(),
  }
}

/** The store has stopped the holder already; its supervisor is told so at once. */
function interrupt(keeper: Keeper, { id, stop, supervisor }: StoredRun): void {
  if (stop === null) return
  const ours = keeper.runs.get(id)
  if (ours !== undefined) void endOurs(keeper, ours, stop)
  else if (supervisor.socket !== null) keeper.tellNews(supervisor.socket, id)
}

async function queue(keeper: Keeper, run: SupervisedRun, holder: StoredRun | null): Promise<void> {
  const { wait } = run.request
  // A holder whose owner is dead is no reason to be refused: its end is what admits the next.
  if (holder !== null && wait === 0) await recoverOrRefuse(keeper, run, holder)
  // It may be dead as well where there is time; that is the lookout's business.
  else keeper.lookout.waitsFor(holder)
  if (wait !== null && run.progress.state === 'waiting') giveUpAfter(keeper, run, wait)
}

/**
 * Resolves also where the holder's recovery fails or takes longer than an ending may: a run that may not wait is refused then,
 * and not left in the queue.
 */
async function recoverOrRefuse(keeper: Keeper, run: SupervisedRun, holder: StoredRun): Promise<void> {
  // It waits after all, as whoever wants to cancel its request has to know.
  const waits = () => {
    if (run.request.request !== null) keeper.send({ type: 'waits', run: run.id })
  }
  const recovered = recoverIfGone(keeper, holder, waits).catch((error) => {
    if (run.progress.state !== 'waiting') return
    keeper.log.error(
      { run: run.id, err: error },
      `could not recover run ${holder.id}, which holds its session`,
    )
  })
  await settlesWithin(timeToEnd(keeper.bounds), recovered)
}

/** A refusal is stored; where the store cannot take it now, it is tried again. */
function giveUpAfter(keeper: Keeper, run: SupervisedRun, wait: number): void {
  const giveUp = () =>
    refuseAsBusy(keeper, run).catch((error) => {
      keeper.log.warn(
        { run: run.id, err: error },
        'could not refuse a run that waited too long; trying again',
      )
      if (run.progress.state === 'waiting') giveUpAfter(keeper, run, 1000)
    })
  run.arm(() => after(wait, giveUp))
}

async function refuseAsBusy(keeper: Keeper, run: SupervisedRun): Promise<void> {
  const { session } = run.request
  if (session === null) return
  const holder = await keeper.store.holder(session)
  const queueLength = (await keeper.store.queueLength(session)) - 1
  if (holder === null) return leave(keeper, run, 'busy', `${queueLength} others wait for it`, { queueLength })
  const message = describeHolder(holder, queueLength)
  return leave(keeper, run, 'busy', message, { ...holderDetails(holder), queueLength })
}
