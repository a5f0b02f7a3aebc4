import { LoopDelay } from '../loop-delay.js'

/** How the keeper's own event loop does: it is what every bound hangs on. */
export class OwnDelay {
  #most = 0
  readonly #delay = new LoopDelay(({ lateMs }) => {
    this.#most = Math.max(this.#most, lateMs)
  })

  /** From now on, until its thread ends. */
  start(): void {
    this.#delay.start()
  }

  /** The longest delay since the last call, in milliseconds. */
  take(): number {
    const most = this.#most
    this.#most = 0
    return Math.round(most)
  }
}
