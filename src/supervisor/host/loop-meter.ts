import { createHistogram, performance } from 'node:perf_hooks'
import type { LoopTimes } from '../health.js'
import { LoopDelay } from '../loop-delay.js'

/** Milliseconds after which the older of the two measurements begins anew. */
const window = 15_000

interface Measurement {
  /** Of microseconds, and never of none: it takes no zero. */
  readonly histogram: ReturnType<typeof createHistogram>
  since: number
  utilization: ReturnType<typeof performance.eventLoopUtilization>
}

/**
 * How the event loop of this thread does. Of two measurements the younger one takes over when the older one has been told
 * for long enough: so what is told is never of less than 15 seconds, and never of long ago.
 */
export class LoopMeter {
  #told: Measurement | null = null
  #next: Measurement | null = null
  readonly #delay = new LoopDelay(({ lateMs, missed }) => {
    for (const measurement of [this.#told, this.#next]) {
      measurement?.histogram.record(Math.max(1, Math.round(lateMs * 1000)))
      // The looks that a loop that works would have had meanwhile, all of them in time.
      for (let look = 0; look < missed; look++) measurement?.histogram.record(1)
    }
  })

  /** Measures from the first call on, which has nothing to tell yet. */
  take(): LoopTimes {
    const now = performance.now()
    this.#delay.start()
    this.#told ??= begin(now)
    if (this.#next === null && now - this.#told.since >= window) this.#next = begin(now)
    if (this.#next !== null && now - this.#next.since >= window) this.#turnOver(now)
    return timesOf(this.#told, now)
  }

  /** Whether this thread has done next to nothing for a while. */
  get idles(): boolean {
    return this.#delay.idles
  }

  stop(): void {
    this.#delay.stop()
  }

  #turnOver(now: number): void {
    const old = this.#told
    this.#told = this.#next
    this.#next = old
    if (old === null) return
    old.histogram.reset()
    old.since = now
    old.utilization = performance.eventLoopUtilization()
  }
}

function begin(now: number): Measurement {
  return { histogram: createHistogram(), since: now, utilization: performance.eventLoopUtilization() }
}

function timesOf({ histogram, since, utilization }: Measurement, now: number): LoopTimes {
  const delay = (microseconds: number) => (histogram.count === 0 ? 0 : Math.round(microseconds / 1000))
  return {
    p50Ms: delay(histogram.percentile(50)),
    p99Ms: delay(histogram.percentile(99)),
    maxMs: delay(histogram.max),
    utilization: Math.round(performance.eventLoopUtilization(utilization).utilization * 1000) / 1000,
    windowMs: Math.round(now - since),
  }
}
