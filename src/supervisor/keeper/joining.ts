import { handOver } from './admitted.js'
import type { Keeper } from './keeper.js'
import { recoverAll } from './recovery.js'
import { WakeSocket } from './wake.js'

/** Makes the keeper known to the other supervisors of its store, and ends what dead ones left. */
export async function join(keeper: Keeper, ttl: number, runtimeDir: string): Promise<void> {
  keeper.onAdmitted = (admitted) => handOver(keeper, admitted)
  keeper.wakeSocket = await WakeSocket.open(runtimeDir, keeper.id, {
    onNews: (run) => keeper.lookout.newsOf(run),
    isLive: (run) => keeper.runs.has(run) || keeper.recoveries.has(run),
  }).catch((error) => {
    warn(error)
    return null
  })
  const { id, host, identity, store } = keeper
  const now = Date.now()
  const socket = keeper.wakeSocket?.path ?? null
  await store.register({ id, host, identity, socket, ttl, startedAt: now, renewedAt: now })
  keeper.isJoined = true
  const renewing = setInterval(() => store.renew(id, Date.now()).catch(warn), ttl / 3)
  keeper.closing.then(() => clearInterval(renewing))
  recoverAll(keeper).catch(warn)

  function warn(error: unknown): void {
    keeper.log.warn({ err: error }, 'trouble with what supervisors share')
  }
}
