/**
 * How fast output is read in one thread, all streams together, while others need it too. A tool that writes without pause
 * would otherwise have its reader busy all the time, and every message of every other run would wait behind a turn of that.
 */
const share = { bytes: 256 * 1024, milliseconds: 1 }

interface Reader {
  pause(): void
  resume(): void
}

export class Pace {
  /** Whether somebody beside the one that reads needs this thread. */
  isShared: () => boolean = () => false
  #read = 0
  #waiting = new Set<Reader>()
  #timer: NodeJS.Timeout | null = null

  /** Notes what was read. Whoever has read a turn's share is paused until the next turn. */
  note(bytes: number, reader: Reader): void {
    if (!this.isShared()) return
    this.#read += bytes
    this.#timer ??= setTimeout(() => this.#next(), share.milliseconds)
    if (this.#read < share.bytes) return
    reader.pause()
    this.#waiting.add(reader)
  }

  #next(): void {
    this.#timer = null
    this.#read = 0
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const reader of waiting) reader.resume()
  }
}

/** This thread's. */
export const pace = new Pace()
