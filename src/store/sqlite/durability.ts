/**
 * When a committed batch is on the disk. Few requests: with the commit itself (`synchronous = FULL`), which has nothing to
 * overlap with and needs no thread. Many: by a flush in a thread of its own, while the next batch is worked on; most of
 * a shared commit's time is that flush.
 */
import type { DatabaseSync } from 'node:sqlite'
import { unavailable } from './trouble.js'
import { WalFlusher } from './wal-flusher.js'

/** So many commits in a row with so many requests each: a burst that is over at once is not worth a thread. */
const crowd = { commits: 16, requests: 16 }

/** So few have nothing to overlap with, and to wake the thread and be woken by it takes longer than to do it here. */
const few = 2

export class Durability {
  readonly #database: DatabaseSync
  readonly #location: string
  #flusher: WalFlusher | null = null
  /** It still has orders to answer. */
  #failed: WalFlusher | null = null
  #starting: Promise<void> | undefined
  #crowded = 0
  #unflushed = 0
  /** Something that was committed may never come to the disk. */
  #isDoubtful = false

  constructor(database: DatabaseSync, location: string) {
    this.#database = database
    this.#location = location
  }

  /** Requests whose commit is not on the disk yet. */
  get unflushed(): number {
    return this.#unflushed
  }

  /**
   * How many of so many pending requests the next batch may have. Beside a flush, half of all there are: in batches of
   * everybody, all would wait for one flush together, and nobody would be there to work on.
   */
  share(pending: number): number {
    return this.#flusher === null ? pending : Math.ceil((pending + this.#unflushed) / 2)
  }

  /**
   * Of a batch of so many requests, right after its commit. Null where it is on the disk; else resolves when it is, and
   * rejects with `store_unavailable` where it cannot be brought there.
   */
  ensure(requests: number): Promise<void> | null {
    if (this.#isDoubtful) return this.#rescue()
    if (this.#flusher === null) {
      this.#noticeCrowd(requests)
      return null
    }
    if (requests <= few && this.#unflushed === 0) return this.#flushHere(this.#flusher)
    this.#unflushed += requests
    return this.#flusher
      .flush()
      .catch((error) => this.#rescue(error))
      .finally(() => {
        this.#unflushed -= requests
      })
  }

  async close(): Promise<void> {
    await this.#starting
    await this.#flusher?.close()
    await this.#failed?.close()
  }

  #flushHere(flusher: WalFlusher): Promise<void> | null {
    try {
      flusher.flushHere()
      return null
    } catch (error) {
      return this.#rescue(error as Error)
    }
  }

  #noticeCrowd(requests: number): void {
    this.#crowded = requests >= crowd.requests ? this.#crowded + 1 : 0
    if (this.#crowded === crowd.commits) this.#starting ??= this.#start()
  }

  async #start(): Promise<void> {
    try {
      const flusher = await WalFlusher.start(`${this.#location}-wal`)
      // No transaction is open between two turns of the loop, and within one this would not count.
      this.#database.exec('PRAGMA synchronous = NORMAL')
      this.#flusher = flusher
    } catch {
      // Neither descriptor nor thread to spare: each commit goes on flushing for itself.
    }
  }

  /**
   * After a flush that failed: what it was for is in the WAL and seen by all, and nobody knows whether the disk has it;
   * to flush again would say yes without a write (https://wiki.postgresql.org/wiki/Fsync_Errors), and whatever is committed
   * behind it would be lost with it. A checkpoint writes it all again, to another file, and flushes that.
   */
  async #rescue(error?: Error): Promise<void> {
    if (this.#flusher !== null) {
      this.#isDoubtful = true
      this.#database.exec('PRAGMA synchronous = FULL')
      this.#failed = this.#flusher
      this.#flusher = null
    }
    if (this.#isDoubtful && !this.#checkpoint() && !this.#checkpoint()) {
      const why = error === undefined ? 'an earlier flush failed' : error.message
      throw unavailable(
        this.#location,
        `the state file ${this.#location} cannot be flushed to its disk: ${why}`,
        error,
      )
    }
    this.#isDoubtful = false
  }

  /** False where another connection still reads, or the disk fails here as well: each of its files is told that once. */
  #checkpoint(): boolean {
    try {
      return this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy === 0
    } catch {
      return false
    }
  }
}
