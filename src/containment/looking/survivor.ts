import { setTimeout as delay } from 'node:timers/promises'
import type { Identity } from '../../identity.js'
import { isAlive, signal } from '../processes/identity.js'

/** Milliseconds: what can die of SIGKILL has died by then. */
const bound = 2_000
const interval = 20

/** Kills a process once more, if it still is the one that is meant. */
export async function endSurvivor(identity: Identity): Promise<'ended' | 'living' | 'refused'> {
  const wasSent = await signal(identity, 'SIGKILL')
  for (
    const until = performance.now() + bound;
    (await isAlive(identity)) === 'alive';
    await delay(interval)
  ) {
    if (!wasSent) return 'refused'
    if (performance.now() > until) return 'living'
  }
  return 'ended'
}
