import { after } from '../../timers.js'

/**
 * How many may be under way at once, first come first served. Whoever takes longer than `longest` milliseconds counts
 * no more, so that what hangs holds up nobody for long.
 */
export class Turns {
  readonly #longest: number
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(atOnce: number, longest: number) {
    this.#free = atOnce
    this.#longest = longest
  }

  /** Resolves when it is the caller's turn, which ends with what it returns. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      disarm()
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
    const disarm = after(this.#longest, end)
    return end
  }
}
