/** A wait that can be cut short, also before it has begun. */
export class Pause {
  #timer: NodeJS.Timeout | undefined
  #isEnded = false
  #resolve = () => {}

  for(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = () => {
        clearTimeout(this.#timer)
        this.#isEnded = false
        resolve()
      }
      // A timer also for no time at all: a storm of looks must leave the loop its other work.
      this.#timer = setTimeout(this.#resolve, this.#isEnded ? 0 : milliseconds)
    })
  }

  end(): void {
    this.#isEnded = true
    this.#resolve()
  }
}
