import { Readable } from 'node:stream'
import { decode } from './decoding.js'
import { Tail } from './tail.js'

/**
 * One output stream of a tree on the host's side: keeps what the result will hold, feeds whoever reads it live,
 * and gives the keeper credit for what was taken.
 */
export class Output {
  readonly #limit: number
  readonly #credit: (bytes: number) => void
  readonly #count: (bytes: number) => void
  readonly #head: Uint8Array[] = []
  readonly #tail: Tail
  #headSize = 0
  #leftOut = 0
  #live: Readable | null = null
  #owed = 0
  #ended = false

  /** Keeps at most `limit` bytes: the first half and the last half of the output. */
  constructor(limit: number, credit: (bytes: number) => void, count: (bytes: number) => void) {
    this.#limit = limit
    this.#tail = new Tail(Math.floor(limit / 2))
    this.#credit = credit
    this.#count = count
  }

  /**
   * The output as a stream, from its beginning where it is asked for in the turn of the launch. Whoever asks
   * for it must read it: a reader that stops makes the tool wait.
   */
  get stream(): Readable {
    this.#live ??= this.#openLive()
    return this.#live
  }

  /** Keeps no part of `chunk` itself, whose memory may be used again. */
  push(chunk: Uint8Array): void {
    this.#count(chunk.length)
    this.#keep(chunk)
    if (this.#live === null || this.#live.destroyed || this.#live.push(Buffer.from(chunk)))
      this.#credit(chunk.length)
    else this.#owed += chunk.length
  }

  end(): void {
    this.#ended = true
    this.#live?.push(null)
  }

  /** How many bytes were left out between head and tail. */
  get truncated(): number {
    return this.#leftOut
  }

  /**
   * Bytes that are not UTF-8 become U+FFFD; a line says how many bytes are left out, and where. Megabytes in one turn would
   * hold everything else up for as long as they take: they have several.
   */
  async text(): Promise<string> {
    if (this.#leftOut === 0) return decode([...this.#head, ...this.#tail.pieces])
    const head = await decode(this.#head)
    return `${head}\n[${this.#leftOut} bytes left out]\n${await decode(this.#tail.pieces)}`
  }

  #openLive(): Readable {
    const live = new Readable({
      read: () => {
        const owed = this.#owed
        this.#owed = 0
        if (owed > 0) this.#credit(owed)
      },
    })
    live.on('close', () => this.#credit(this.#owed))
    for (const chunk of [...this.#head, ...this.#tail.pieces]) live.push(Buffer.from(chunk))
    if (this.#ended) live.push(null)
    return live
  }

  #keep(chunk: Uint8Array): void {
    const room = Math.ceil(this.#limit / 2) - this.#headSize
    if (room > 0) {
      const kept = Buffer.from(chunk.subarray(0, room))
      this.#head.push(kept)
      this.#headSize += kept.length
    }
    if (chunk.length > room) this.#leftOut += this.#tail.push(chunk.subarray(Math.max(room, 0)))
  }
}
