import { handOver } from './admitted.js'
import { doingOf } from './doing.js'
import { healthOf } from './health.js'
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
    health: () => healthOf(keeper),
    doing: (run) => doingOf(keeper, run),
    onNews: (run) => keeper.lookout.newsOf(run),
    isLive: (run) => keeper.runs.has(run) || keeper.recoveries.has(run),
  }).catch((error) => {
    warn(error)
    return null
  })
  const { id, host, identity, store, subagents } = keeper
  keeper.ttl = ttl
  const now = Date.now()
  const socket = keeper.wakeSocket?.path ?? null
  const record = { id, host, identity, socket, ttl, startedAt: now, renewedAt: now, blockedSince: null }
  await leased(store.register(record, subagents))
  keeper.record = record
  keeper.isJoined = true
  // Until the very end: trees that a close gives their grace are leased as well.
  keeper.renewNow = () => leased(store.renew(id, Date.now(), blockedSince(keeper)))
  let isRenewed = true
  const renew = () =>
    keeper.renewNow().then(
      () => {
        isRenewed = true
      },
      (error) => {
        if (isRenewed) warn(error)
        isRenewed = false
      },
    )
  const renewing = setInterval(renew, ttl / 3)
  keeper.left.then(() => clearInterval(renewing))
  keeper.recovered = recoverAll(keeper).catch(warn)
  cleanRuntimeFolder(runtimeDir).catch(warn)

  /** A lease counts from the moment in which its renewal was asked for: from when on is the store's to say. */
  async function leased(renewal: Promise<void>): Promise<void> {
    const until = monotonicNow() + ttl
    await renewal
    keeper.renewedAt = performance.now()
    keeper.containment.renew(until, ttl)
  }

  function warn(error: unknown): void {
    keeper.log.warn({ err: error }, 'trouble with what supervisors share')
  }
}

function blockedSince({ hostLoop }: Keeper): number | null {
  return hostLoop.blockedFor === 0 ? null : Math.round(Date.now() - hostLoop.blockedFor)
}
