import { after } from '../../timers.js'
import type { Stillness } from '../messages.js'

/** What a stall watch needs of its surroundings. */
export interface StallWatchParts {
  /** Milliseconds without progress that are too many. */
  readonly timeout: number
  /** Asks the host how long it has been still; the answer comes as `heard`. */
  ask(): void
  /** Of these last milliseconds, how many the host could not have noticed any progress in. */
  blockedWithin(milliseconds: number): number
  /** Half of the time is over. */
  onHalf(still: Stillness): void
  onStall(still: Stillness): void
}

/**
 * Waits for a run or a command to have made no progress for too long. Progress is seen by the host, where output and
 * entries pass, and to tell the keeper of each would cost a message for every chunk. So the keeper asks, when half and when
 * all of the time may be over: twice for one that is still, once in half its time for one that is busy. A host that is blocked
 * does not answer, and whatever does not answer is not called stalled.
 */
export class StallWatch {
  readonly #parts: StallWatchParts
  #disarm: () => void = () => {}
  #isOver = false
  #warned = false
  #heardAt = performance.now()

  constructor(parts: StallWatchParts) {
    this.#parts = parts
    this.#askIn(parts.timeout / 2)
  }

  heard(still: Stillness): void {
    if (this.#isOver) return
    this.#disarm()
    const { timeout, blockedWithin, onHalf, onStall } = this.#parts
    const idle = still.isWaiting ? 0 : still.milliseconds - blockedWithin(still.milliseconds)
    const sinceLast = performance.now() - this.#heardAt
    this.#heardAt += sinceLast
    // Progress, and not that some of the time counts no more: one stillness is warned of once.
    if (still.isWaiting || still.milliseconds < Math.max(timeout / 2, sinceLast)) this.#warned = false
    if (idle >= timeout / 2) {
      // Also where the answer came late, and all of the time is over.
      if (!this.#warned) onHalf({ ...still, milliseconds: idle })
      this.#warned = true
    }
    if (idle >= timeout) {
      this.stop()
      onStall({ ...still, milliseconds: idle })
    } else this.#askIn((idle >= timeout / 2 ? timeout : timeout / 2) - idle)
  }

  stop(): void {
    this.#isOver = true
    this.#disarm()
  }

  /** Not before: a timer of Node's may fire a fraction of a millisecond early, and would have to be asked again. */
  #askIn(delay: number): void {
    this.#disarm = after(delay + 1, () => this.#parts.ask())
  }
}
