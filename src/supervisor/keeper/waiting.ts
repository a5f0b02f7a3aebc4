import type { StoredRun } from '../../store/contract.js'
import { after, deferred } from '../../timers.js'
import { begin, endedWaiting } from './admitted.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import { recoverIfDead } from './recovery.js'
import type { SupervisedRun } from './run.js'
import { onDeath } from './wake.js'

/**
 * The safety net: what a lost wake-up costs at most. Wake-ups come by socket, so that nothing waits for this
 * in the ordinary course.
 */
const lookEvery = 2000

/** Looks after a session that runs of this keeper wait for: a holder whose owner dies is recovered at once. */
export function attend(keeper: Keeper, session: string): void {
  if (!keeper.attended.has(session)) keeper.attended.set(session, attendWhileWaiting(keeper, session))
}

async function attendWhileWaiting(keeper: Keeper, session: string): Promise<void> {
  while (keeper.waitingFor(session).length > 0) {
    await attendOnce(keeper, session).catch(async (error) => {
      keeper.log.error({ session, err: error }, 'could not look after a waiting session; trying again')
      await deathOrAWhile(keeper, null)
    })
  }
  // In the same turn as the last look: a waiter that comes now must find nobody attending.
  keeper.attended.delete(session)
}

async function attendOnce(keeper: Keeper, session: string): Promise<void> {
  const holder = await keeper.store.holder(session)
  const foreign = holder?.supervisor.id === keeper.id ? null : holder
  if (foreign !== null && (await recoverIfDead(keeper, foreign))) return
  await deathOrAWhile(keeper, foreign)
  await reconcile(keeper)
}

function deathOrAWhile(keeper: Keeper, holder: StoredRun | null): Promise<void> {
  const { promise, resolve } = deferred<void>()
  const socket = holder?.supervisor.socket ?? null
  const unwatch = socket === null ? () => {} : onDeath(socket, resolve)
  const disarm = after(lookEvery, resolve)
  keeper.naps.add(resolve)
  return promise.finally(() => {
    keeper.naps.delete(resolve)
    disarm()
    unwatch()
  })
}

/** Brings what this keeper thinks of its runs in line with what the store says: others may have changed it. */
export async function reconcile(keeper: Keeper): Promise<void> {
  const before = keeper.unfinishedRuns()
  const stored = new Map(
    (await keeper.store.runs({ supervisor: keeper.id, state: 'live' })).map((run) => [run.id, run] as const),
  )
  for (const run of before) {
    const now = stored.get(run.id) ?? (await keeper.store.run(run.id))
    // What has ended or begun to end meanwhile by our own hand needs nothing.
    if (now !== null && run.ending === null) apply(keeper, run, now)
  }
}

function apply(keeper: Keeper, run: SupervisedRun, now: StoredRun): void {
  if (now.outcome !== null && run.progress.state === 'waiting') endedWaiting(keeper, run, now)
  else if (now.outcome !== null || now.supervisor.id !== keeper.id) {
    void endRun(keeper, run, {
      cause: 'lost',
      message: `taken over by supervisor ${now.supervisor.id}`,
      grace: 0,
    })
  } else if (now.fence !== null) {
    begin(keeper, run, now.fence)
    if (now.stop !== null) void endRun(keeper, run, now.stop)
  }
}
