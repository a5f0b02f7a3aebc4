import { handOver } from './admitted.js'
import type { Keeper } from './keeper.js'
import { recoverAll } from './recovery.js'
import { cleanRuntimeFolder } from './runtime-folder.js'
import { WakeSocket } from './wake.js'

/** Milliseconds of the clock that native helpers read too; performance.now() has another beginning. */
const monotonicNow = () => Number(process.hrtime.bigint() / 1_000_000n)

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
  const { id, host, identity, store, subagents } = keeper
  const now = Date.now()
  const socket = keeper.wakeSocket?.path ?? null
  const record = { id, host, identity, socket, ttl, startedAt: now, renewedAt: now }
  await leased(store.register(record, subagents))
  keeper.isJoined = true
  // Until the very end: trees that a close gives their grace are leased as well.
  const renewing = setInterval(() => leased(store.renew(id, Date.now())).catch(warn), ttl / 3)
  keeper.left.then(() => clearInterval(renewing))
  recoverAll(keeper).catch(warn)
  cleanRuntimeFolder(runtimeDir).catch(warn)

  /** A lease counts from the moment in which its renewal was asked for: from when on is the store's to say. */
  async function leased(renewal: Promise<void>): Promise<void> {
    const until = monotonicNow() + ttl
    await renewal
    keeper.containment.renew(until, ttl)
  }

  function warn(error: unknown): void {
    keeper.log.warn({ err: error }, 'trouble with what supervisors share')
  }
}
