import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomNumbers } from './model/deck.ts'
import { toolNames } from './tools.ts'

const sessions = 8

/** Users who write by HTTP as anybody would: a message every half second, and now and then one thinks better of it. */
export async function makeTraffic(gateway: string, seed: number, signal: AbortSignal): Promise<void> {
  const random = randomNumbers(seed)
  const post = (session: string, what: string, body: unknown) =>
    fetch(`${gateway}/sessions/${session}/${what}`, { method: 'POST', body: JSON.stringify(body), signal })
  while (!signal.aborted) {
    const session = `user-${Math.floor(random() * sessions)}`
    const wanted = toolNames.filter(() => random() < 0.25)
    // One that was cut off or refused is told in the gateway's own lines.
    await post(session, 'messages', { id: randomUUID(), text: `please use ${wanted.join(' and ')}` }).catch(
      () => {},
    )
    if (random() < 0.05) await post(session, 'cancel', {}).catch(() => {})
    await sleep(500, undefined, { signal }).catch(() => {})
  }
}
