import type { StoredRun } from '../../store/contract.js'
import { after } from '../../timers.js'

import { begin, leave } from './admitted.js'
import type { Keeper } from './keeper.js'
import { recoverIfDead } from './recovery.js'
import type { SupervisedRun } from './run.js'
import { attend } from './waiting.js'

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

async function queue(keeper: Keeper, run: SupervisedRun, holder: StoredRun | null): Promise<void> {
  const { wait, session } = run.request
  // A holder whose owner is dead is no reason to be refused: its end is what admits the next.
  if (holder !== null && wait === 0) await recoverIfDead(keeper, holder)
  if (session !== null) attend(keeper, session)
  if (wait !== null && run.progress.state === 'waiting') {
    giveUpAfter(keeper, run, wait)
  }
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
  const waiting = await keeper.store.runs({ session, state: 'waiting' })
  const queueLength = waiting.filter(({ id }) => id !== run.id).length
  if (holder === null) return leave(keeper, run, 'busy', `${queueLength} others wait for it`, { queueLength })
  const since = new Date(holder.startedAt ?? holder.createdAt).toISOString()
  const { host, identity } = holder.supervisor
  const message = `held by run ${holder.id} of pid ${identity.pid} on ${host} since ${since}, ${queueLength} others wait`
  return leave(keeper, run, 'busy', message, { holder: holder.id, since, queueLength })
}
