import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { deferred } from '../timers.js'
import { pace } from './pace.js'

/** How much output may be on its way to its reader before the tool has to wait: 16 pipes' worth. */
const window = 1024 * 1024
/** A turn reads what a pipe has; a paused stream takes two to get going. */
const quietTurns = 4

/**
 * Carries a tree's output to whoever gives credit for what it has taken: one that does not read stops the tool, as a
 * full pipe would, and the memory between them stays bounded.
 */
export class Pump {
  readonly #source: Readable
  readonly #send: (chunk: Uint8Array) => void
  readonly #done = deferred<void>()
  #onTheWay = 0
  #seen = 0
  #draining = false
  #isDropping = false
  #isPaused = false

  constructor(source: Readable, send: (chunk: Uint8Array) => void) {
    this.#source = source
    this.#send = send
    // 'close' comes after 'end' and after an error too; an error of the pipe itself is an end of output.
    source.on('error', () => {})
    source.on('close', () => this.#done.resolve())
  }

  /** What the source has read. */
  take(chunk: Uint8Array): void {
    this.#seen += chunk.length
    if (!this.#isDropping) {
      this.#onTheWay += chunk.length
      if (!this.#draining && this.#onTheWay >= window) this.#source.pause()
      this.#send(chunk)
    }
    // What is drained is little, and somebody waits for it.
    if (!this.#draining || this.#isDropping) pace.note(chunk.length, this)
  }

  /** Resolves when the output has ended: every process that could write has closed its end. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  credit(bytes: number): void {
    this.#onTheWay -= bytes
    this.#resume()
  }

  /** Until `resume` nothing is read, whatever credit comes. */
  pause(): void {
    this.#isPaused = true
    this.#source.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#resume()
  }

  #resume(): void {
    if (!this.#isPaused && (this.#draining || this.#onTheWay < window)) this.#source.resume()
  }

  /**
   * The tree is dead: what is left is no more than the pipe holds, and it is read without credit, since a
   * blocked host must not keep its run alive.
   */
  drain(): void {
    this.#draining = true
    this.#isPaused = false
    this.#source.resume()
  }

  /**
   * Resolves when everything is read that was written before the call, though somebody may write on: when some turns of
   * the event loop have brought nothing, or more than a pipe holds has come.
   */
  async caughtUp(): Promise<void> {
    this.drain()
    let isOver = false
    this.done.then(() => {
      isOver = true
    })
    const first = this.#seen
    for (let quiet = 0; quiet < quietTurns && !isOver && this.#seen - first < window; ) {
      const before = this.#seen
      await nextTurn()
      quiet = this.#seen === before ? quiet + 1 : 0
    }
  }

  /** From here on what comes is read and dropped. */
  discard(): void {
    this.#isDropping = true
    this.drain()
  }

  stop(): void {
    this.#source.destroy()
    this.#done.resolve()
  }
}
