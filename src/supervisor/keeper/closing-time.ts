import { type Bounds, shareTime } from '../../runs/bounds.js'
import { after, deferred } from '../../timers.js'

/** What storing the last endings and leaving the store may take beyond the trees' own bounds. */
const margin = 5000
/** The same, where a close has less time than that. */
const shortMargin = 1500
/** Of the margin, what is kept for leaving the store and the launcher. */
const leaving = 500
/** What a close has at least where something hangs: a killed tree, an ending and the launcher's exit take some time. */
export const shortestClose = 2500

/** How long a close may take. Whoever asks again can shorten it and nothing else. */
export class ClosingTime {
  #within: number
  /** `performance.now()` in the moment in which the drain was over. */
  #begun = Number.POSITIVE_INFINITY
  readonly #drained = deferred<void>()
  readonly #over = deferred<void>()
  readonly #disarms: Array<() => void> = []

  constructor(drain: number, within: number) {
    this.#within = within
    this.endDrainAfter(drain)
  }

  /** Milliseconds for everything after the drain. */
  get within(): number {
    return this.#within
  }

  /** Resolves when no more time is to be left to what runs. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  /** Resolves when nobody waits for endings any longer: what is left of the time is for leaving. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** From here on time counts. Without a bound of its own a close takes what the runs' bounds are, and a margin. */
  beginEnding(runsTake: number): void {
    this.#begun = performance.now()
    this.#drained.resolve()
    this.#after(Math.min(runsTake + margin, untilLeaving(this.#within)), this.#over.resolve)
  }

  /** What is left for leaving the store, in milliseconds. */
  get left(): number {
    const all = Math.max(this.#within, shortestClose)
    return Math.max(leaving, this.#begun + all - performance.now())
  }

  /** The bounds of a run that has to end in this time. */
  share(bounds: Bounds): Bounds {
    return shareTime(bounds, Math.max(0, this.#within - Math.min(shortMargin, this.#within / 4)))
  }

  endDrainAfter(drain: number): void {
    this.#after(drain, this.#drained.resolve)
  }

  /** Counts from now. */
  shortenTo(within: number): void {
    if (this.#begun === Number.POSITIVE_INFINITY) this.#within = Math.min(this.#within, within)
    else {
      this.#within = Math.min(this.#within, performance.now() - this.#begun + within)
      this.#after(untilLeaving(within), this.#over.resolve)
    }
  }

  stop(): void {
    for (const disarm of this.#disarms) disarm()
  }

  #after(delay: number, work: () => void): void {
    if (delay <= 0) work()
    else this.#disarms.push(after(delay, work))
  }
}

function untilLeaving(within: number): number {
  return Math.max(within, shortestClose) - leaving
}
