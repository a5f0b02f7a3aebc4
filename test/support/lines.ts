import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** The lines of an output, each awaited by what it begins with, whether it has come already or not. */
export class Lines {
  readonly all: string[] = []
  readonly ended: Promise<void>
  #isEnded = false
  #news = Promise.withResolvers<void>()

  constructor(stream: Readable | null) {
    if (stream === null) throw new Error('this output is no pipe')
    const reader = createInterface({ input: stream })
    reader.on('line', (line) => {
      this.all.push(line)
      this.#wake()
    })
    this.ended = new Promise((resolve) =>
      reader.once('close', () => {
        this.#isEnded = true
        this.#wake()
        resolve()
      }),
    )
  }

  /** What follows `start` in the first line that begins with it. */
  async after(start: string): Promise<string> {
    const line = await this.#first((line) => line.startsWith(start), start)
    return line.slice(start.length).trim()
  }

  /** The first line that has this in it. */
  with(part: string): Promise<string> {
    return this.#first((line) => line.includes(part), part)
  }

  /** All of them, as they come, to the end of the output. */
  async *each(): AsyncGenerator<string> {
    for (let at = 0; ; ) {
      const line = this.all[at]
      if (line !== undefined) {
        at += 1
        yield line
      } else if (this.#isEnded) return
      else await this.#news.promise
    }
  }

  async #first(isIt: (line: string) => boolean, what: string): Promise<string> {
    for (;;) {
      const found = this.all.find(isIt)
      if (found !== undefined) return found
      if (this.#isEnded) throw new Error(`no line "${what}", but: ${this.all.join(' | ')}`)
      await this.#news.promise
    }
  }

  /** Several may wait, each for a line of its own. */
  #wake(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }
}
