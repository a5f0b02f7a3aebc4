import type { MemoryUse } from '../health.js'

/** Milliseconds between two samples, of which ten minutes are kept. */
const every = 10_000
const most = 60
/** Milliseconds: what a process does in its first moments is no trend. */
const shortest = 120_000

/** What the process has resident, and how fast that grows. */
export class MemoryTrend {
  readonly #now: () => number
  readonly #resident: () => number
  readonly #samples: Array<{ readonly at: number; readonly bytes: number }> = []

  constructor(now = () => performance.now(), resident = () => process.memoryUsage.rss()) {
    this.#now = now
    this.#resident = resident
  }

  /** From now on, until its thread ends. */
  start(): void {
    this.sample()
    setInterval(() => this.sample(), every)
  }

  sample(): void {
    this.#samples.push({ at: this.#now(), bytes: this.#resident() })
    if (this.#samples.length > most) this.#samples.shift()
  }

  get use(): MemoryUse {
    return { residentBytes: this.#resident(), bytesPerMinute: this.#slope() }
  }

  /** Of the line with the least squares: one collection of garbage more or less is no growth. */
  #slope(): number | null {
    const [first] = this.#samples
    if (first === undefined || this.#now() - first.at < shortest) return null
    const count = this.#samples.length
    const meanAt = this.#samples.reduce((sum, { at }) => sum + at, 0) / count
    const meanBytes = this.#samples.reduce((sum, { bytes }) => sum + bytes, 0) / count
    let covariance = 0
    let variance = 0
    for (const { at, bytes } of this.#samples) {
      covariance += (at - meanAt) * (bytes - meanBytes)
      variance += (at - meanAt) ** 2
    }
    return variance === 0 ? null : Math.round((covariance / variance) * 60_000)
  }
}
