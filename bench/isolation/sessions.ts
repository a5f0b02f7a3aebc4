import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Supervisor } from 'coppice'
import { quantile } from '../figures.ts'

/** What good sessions have seen in one round. */
export interface Round {
  readonly runs: number
  /** Milliseconds from the call to its result. */
  readonly p50: number
  readonly p99: number
  /** Milliseconds that the event loop was late. */
  readonly loopP99: number
}

const resolution = 10

/**
 * So many sessions, each of which has a small run (an entry and an answer) now and then: `perSecond` in all, whether the ones
 * before have ended or not, so that who is slowed down is asked no less.
 */
export async function goodRound(
  supervisor: Supervisor,
  { sessions, perSecond, ms }: { sessions: number; perSecond: number; ms: number },
): Promise<Round> {
  const latencies: number[] = []
  const under: Promise<unknown>[] = []
  const loop = monitorEventLoopDelay({ resolution })
  loop.enable()
  const begun = performance.now()
  for (let asked = 0; ; ) {
    const now = performance.now() - begun
    if (now >= ms) break
    for (; asked < (now * perSecond) / 1000; asked++)
      under.push(timed(supervisor, `good ${asked % sessions}`, latencies))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(under)
  loop.disable()
  return {
    runs: latencies.length,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    loopP99: Math.max(0, loop.percentile(99) / 1e6 - resolution),
  }
}

async function timed(supervisor: Supervisor, session: string, latencies: number[]): Promise<void> {
  const asked = performance.now()
  await supervisor.run({ session }, (run) => run.append({ role: 'user', text: 'hello' }))
  latencies.push(performance.now() - asked)
}
