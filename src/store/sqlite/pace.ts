/**
 * When a writer lets others in. SQLite has no queue for its write lock: who wants it asks again and again, each
 * about once a millisecond, and a writer that goes from commit to commit leaves no gap that an asker would find.
 */

/** Milliseconds. A pause has to be longer than the time between two tries of another supervisor. */
const forNeighbour = 2
const forNewcomer = 1.2

/** For how long after its last commit another supervisor counts as writing. */
const neighbourhood = 100

/** Nobody sees a newcomer that has not got in yet, so there is a pause now and then for whoever it may be. */
const stretch = 50

export class Pace {
  #lastEnd = Number.NEGATIVE_INFINITY
  #writingSince = 0
  #neighbourAt = Number.NEGATIVE_INFINITY

  /** Milliseconds to wait from `now` before the next batch may begin; 0 where it may at once. */
  pause(now: number): number {
    const since = now - this.#lastEnd
    if (since >= forNewcomer) this.#writingSince = now
    if (now - this.#neighbourAt < neighbourhood) return Math.max(0, forNeighbour - since)
    if (now - this.#writingSince < stretch) return 0
    this.#writingSince = now
    return forNewcomer
  }

  /** Another supervisor has committed since our last batch. */
  sawNeighbour(now: number): void {
    this.#neighbourAt = now
  }

  batchEnded(now: number): void {
    this.#lastEnd = now
  }
}
