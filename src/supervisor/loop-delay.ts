import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers'
import { untilTick } from '../timers.js'

/** Milliseconds between two looks at a loop that works. */
const shortest = 50
/** About so many at one that idles. */
export const idleTick = 4000
/** Share of its time from which on a loop works. */
const working = 0.05

/**
 * How late this thread's event loop comes to what is due. It is looked at twenty times a second while it works, and every four
 * seconds where it idles: a block that fits between two looks is not seen.
 */
export class LoopDelay {
  readonly #onLook: (look: Look) => void
  #timer: NodeJS.Timeout | null = null
  #interval = shortest
  #isOver = false

  constructor(onLook: (look: Look) => void) {
    this.#onLook = onLook
  }

  /** From now on, until it is stopped or its thread ends; keeps nothing alive. */
  start(): void {
    if (this.#timer === null && !this.#isOver) this.#arm()
  }

  stop(): void {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Whether the loop has done next to nothing for a while. */
  get idles(): boolean {
    return this.#interval === idleTick
  }

  #arm(): void {
    const delay = this.idles ? untilTick(idleTick) : this.#interval
    const begun = performance.now()
    const before = performance.eventLoopUtilization()
    this.#timer = setTimeout(() => {
      const lateMs = Math.max(0, performance.now() - begun - delay)
      this.#onLook({ lateMs, missed: Math.round(delay / shortest) - 1 })
      this.#interval = intervalAfter(this.#interval, performance.eventLoopUtilization(before).utilization)
      if (!this.#isOver) this.#arm()
    }, delay)
    this.#timer.unref()
  }
}

export interface Look {
  readonly lateMs: number
  /** How many looks a loop that works would have had since the one before. */
  readonly missed: number
}

/** Milliseconds to the next look, after such an interval in which the loop worked for this part of the time. Exported for tests. */
export function intervalAfter(interval: number, utilization: number): number {
  return utilization >= working ? shortest : Math.min(idleTick, interval * 2)
}
