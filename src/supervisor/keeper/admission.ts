import type { StoredRun } from '../../store/contract.js'
import { after } from '../../timers.js'

import { begin, leave } from './admitted.js'
import type { Keeper } from './keeper.js'
import { recoverIfDead } from './recovery.js'
import type { SupervisedRun } from './run.js'

/** Writes a run down and resolves with its fence once it has its session; rejects where it ends before that. */
export async function admit(keeper: Keeper, run: SupervisedRun): Promise<number> {
  const holder = await ask(keeper, run)
  if (run.hold === null) await queue(keeper, run, holder)
  return run.admitted.promise
}

/** For a run that waits already. Its session may be free, and nobody else may be about to tell it so. */
export async function admitAgain(keeper: Keeper, run: SupervisedRun): Promise<void> {
  await ask(keeper, run)
}

/** Whoever holds the session that the run did not get. */
async function ask(keeper: Keeper, run: SupervisedRun): Promise<StoredRun | null> {
  const { request } = run
  const answer = await keeper.store.admit({
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
  keeper.lookout.watch()
  if (answer.state === 'waiting') return answer.holder
  begin(keeper, run, answer.fence)
  return null
}

async function queue(keeper: Keeper, run: SupervisedRun, holder: StoredRun | null): Promise<void> {
  const { wait } = run.request
  // A holder whose owner is dead is no reason to be refused: its end is what admits the next.
  if (holder !== null && wait === 0) await recoverIfDead(keeper, holder)
  // It may be dead as well where there is time; that is the lookout's business.
  else keeper.lookout.waitsFor(holder)
  if (wait !== null && run.progress.state === 'waiting') giveUpAfter(keeper, run, wait)
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
  const since = new Date(holder.startedAt ?? holder.createdAt).toISOString()
  const { host, identity } = holder.supervisor
  const message = `held by run ${holder.id} of pid ${identity.pid} on ${host} since ${since}, ${queueLength} others wait`
  return leave(keeper, run, 'busy', message, { holder: holder.id, since, queueLength })
}
