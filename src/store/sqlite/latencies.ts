import type { CommitTimes } from '../looking-contract.js'

/** Commits that are remembered: with more, the oldest are forgotten. */
const most = 1_000
/** Milliseconds for which one is. */
const window = 60_000

/**
 * How long commits take, from the request that waited longest in each until it was on the disk. One number for a commit,
 * however many share it: what it costs is not to be seen among 100,000 requests a second.
 */
export class Latencies {
  readonly #took = new Float64Array(most)
  readonly #at = new Float64Array(most)
  #next = 0
  #count = 0
  /** Of commits that are not on the disk yet: when the oldest request of each was made. */
  readonly #open = new Set<{ readonly since: number }>()

  /** A batch is about to be brought to the disk; call what it returns when it is, or cannot be. */
  begin(batch: ReadonlyArray<{ readonly since: number }>): () => void {
    let since = performance.now()
    for (const request of batch) if (request.since < since) since = request.since
    const one = { since }
    this.#open.add(one)
    return () => {
      this.#open.delete(one)
      const now = performance.now()
      this.#took[this.#next] = now - since
      this.#at[this.#next] = now
      this.#next = (this.#next + 1) % most
      this.#count = Math.min(most, this.#count + 1)
    }
  }

  /** `queuedSince`: since when the oldest request waits that no commit has taken; null where there is none. */
  times(now: number, queuedSince: number | null): CommitTimes {
    const took = this.#took.subarray(0, this.#count).filter((_, i) => now - (this.#at[i] ?? 0) <= window)
    took.sort()
    const at = (part: number) =>
      took.length === 0 ? null : round(took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0)
    let oldest = queuedSince ?? now
    for (const { since } of this.#open) oldest = Math.min(oldest, since)
    return { count: took.length, p50: at(0.5), p99: at(0.99), max: at(1), pendingMs: round(now - oldest) }
  }
}

/** A commit on a fast disk takes less than a millisecond. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100
}
