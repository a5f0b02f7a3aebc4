import { timeToEnd } from '../../runs/bounds.js'
import { settlesWithin } from '../../timers.js'
import type { HealthFacts, KeeperHealth, LockAge, SeenSupervisor } from '../health.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'
import { lookAt } from './supervisors.js'

/** Milliseconds that the store has to say how it stands; a busy one takes a few. */
const storeBound = 800

/** How this supervisor is: from what its keeper has at hand, without asking anybody. */
export function healthOf(keeper: Keeper): KeeperHealth {
  const runs = [...keeper.runs.values()]
  const inState = (state: string) => runs.filter(({ progress }) => progress.state === state).length
  const waiting = inState('waiting')
  const stopping = inState('stopping')
  // Who has asked is likely to ask again.
  keeper.hostLoop.askNow()
  const holders = runs.filter(({ hold, request }) => hold !== null && request.session !== null)
  return {
    supervisor: keeper.id,
    pid: process.pid,
    hostBlockedMs: Math.round(keeper.hostLoop.blockedFor),
    hostLoop: keeper.hostTimes,
    keeperDelayMs: keeper.ownDelay.take(),
    renewedMs: Math.round(performance.now() - keeper.renewedAt),
    running: runs.length - waiting - stopping,
    waiting,
    stopping,
    trees: keeper.trees.size,
    leftBehind: keeper.leftBehind,
    oldestLock: oldestLock(holders),
    locksOverdue: holders.filter(({ clock }) => clock.isOverdue).length,
    commits: keeper.store.commits(),
    storeTrouble: keeper.news.storeTrouble,
    memory: keeper.memory.use,
    endings: keeper.teller?.counts ?? { untold: 0, underWay: 0, aside: 0 },
  }
}

/** How the store is and everybody in it, in a time that is bounded whatever hangs. */
export async function lookAtHealth(keeper: Keeper): Promise<HealthFacts> {
  const { location } = keeper.store
  const since = performance.now()
  const { store } = keeper
  const asked = Promise.all([store.census(), store.untold(), store.supervisors()])
  try {
    if (!(await settlesWithin(storeBound, asked))) return storeSilent(`no answer within ${storeBound} ms`)
    const [census, untoldEndings, records] = await asked
    const storeMs = Math.round(performance.now() - since)
    const supervisors = await Promise.all(records.map((record) => lookAt(keeper, record)))
    return { location, storeMs, storeError: null, census, untoldEndings, supervisors }
  } catch (error) {
    return storeSilent(error instanceof Error ? error.message : String(error))
  }

  function storeSilent(storeError: string): HealthFacts {
    const supervisors = itself(keeper)
    return { location, storeMs: null, storeError, census: null, untoldEndings: null, supervisors }
  }
}

/** What is known without the store. */
function itself(keeper: Keeper): SeenSupervisor[] {
  if (keeper.record === null) return []
  const health = healthOf(keeper)
  const record = { ...keeper.record, renewedAt: Date.now() - health.renewedMs }
  return [{ record, alive: 'alive', stopped: false, health }]
}

function oldestLock(holders: readonly SupervisedRun[]): LockAge | null {
  let oldest: LockAge | null = null
  for (const run of holders) {
    const heldMs = run.ageMs - run.waitedMs
    if (oldest !== null && oldest.heldMs >= heldMs) continue
    const bound = run.bounds.timeout + timeToEnd(run.bounds)
    const boundMs = Number.isFinite(bound) ? bound : null
    oldest = { run: run.id, session: run.request.session ?? '', heldMs, boundMs }
  }
  return oldest
}
