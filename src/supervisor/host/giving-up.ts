import { after, deferred } from '../../timers.js'

/** The least that a keeper takes where something hangs, and what the way there and back may take beyond. */
const shortest = 3000
const spare = 500

/**
 * A keeper whose thread hangs, in a call to a disk that does not answer, cannot keep the time of its own close: then the
 * host does, and goes without it. Its launcher and guards see that and end the trees.
 */
export class GivingUp {
  readonly #over = deferred<void>()
  readonly #disarms: Array<() => void> = []

  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Milliseconds from now; the first that is over counts. */
  after(drain: number, within: number): void {
    this.#disarms.push(after(drain + Math.max(within, shortest) + spare, this.#over.resolve))
  }

  stop(): void {
    for (const disarm of this.#disarms) disarm()
  }
}
