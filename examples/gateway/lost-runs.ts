import { setTimeout as sleep } from 'node:timers/promises'
import type { Supervisor } from 'coppice'
import type { Events } from './events.ts'

/**
 * Tells the endings of runs that an earlier process left and this one ended: nobody else here waits for them. Opening the
 * state recovers them; where another process lives that shares it, they may follow later.
 */
export async function lookForLost(
  supervisor: Supervisor,
  events: Events,
  since: string,
  signal: AbortSignal,
): Promise<void> {
  const told = new Set<string>()
  while (!signal.aborted) {
    const lost = await supervisor.runs({ state: 'lost' }).catch(() => [])
    for (const { run, session, request, outcome } of lost) {
      if (outcome === null || outcome.endedAt < since || told.has(run)) continue
      told.add(run)
      events.tell('ended', { session, run, message: request, state: 'lost' })
    }
    await sleep(1_000, undefined, { signal }).catch(() => {})
  }
}
