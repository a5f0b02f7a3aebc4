/** What it begins with: little output costs little memory. */
const first = 64 * 1024

/** The last bytes of what is pushed, at most `limit` of them: in one piece of memory, however much passes through. */
export class Tail {
  readonly #limit: number
  #ring = new Uint8Array(0)
  #start = 0
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Keeps a copy of the last of it, and returns how many bytes were dropped for that, older ones or its own. */
  push(bytes: Uint8Array): number {
    const excess = Math.max(0, this.#size + bytes.length - this.#limit)
    const kept = bytes.subarray(Math.max(0, bytes.length - this.#limit))
    this.#drop(Math.min(excess, this.#size))
    this.#makeRoom(this.#size + kept.length)
    const at = this.#place(this.#size)
    const beforeWrap = Math.min(kept.length, this.#ring.length - at)
    this.#ring.set(kept.subarray(0, beforeWrap), at)
    this.#ring.set(kept.subarray(beforeWrap), 0)
    this.#size += kept.length
    return excess
  }

  /** What is kept, oldest first; as it is until the next push. */
  get pieces(): readonly Uint8Array[] {
    const beforeWrap = Math.min(this.#size, this.#ring.length - this.#start)
    return [
      this.#ring.subarray(this.#start, this.#start + beforeWrap),
      this.#ring.subarray(0, this.#size - beforeWrap),
    ].filter(({ length }) => length > 0)
  }

  #drop(bytes: number): void {
    this.#start = this.#place(bytes)
    this.#size -= bytes
  }

  #place(offset: number): number {
    return this.#ring.length === 0 ? 0 : (this.#start + offset) % this.#ring.length
  }

  #makeRoom(size: number): void {
    if (size <= this.#ring.length) return
    const larger = new Uint8Array(Math.min(this.#limit, Math.max(first, size, this.#ring.length * 2)))
    let at = 0
    for (const piece of this.pieces) {
      larger.set(piece, at)
      at += piece.length
    }
    this.#ring = larger
    this.#start = 0
  }
}
