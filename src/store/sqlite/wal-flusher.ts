/**
 * Flushes the WAL in a thread of its own, so that one batch's way to the disk and the work on the next one overlap.
 * With `synchronous = NORMAL` a commit leaves its frames in the WAL unflushed (https://www.sqlite.org/pragma.html#pragma_synchronous);
 * a flush that begins after it brings them to the disk, and all frames before them.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/** What the thread answers: up to which order the WAL is on the disk, or why it is not. */
export interface Flushed {
  readonly order: number
  readonly error?: string
}

interface Waiting {
  readonly order: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class WalFlusher {
  /** SQLite locks the shared memory's file and the database, and never the WAL: to close this drops no lock of its. */
  readonly #file: number
  readonly #thread: Worker
  readonly #waiting: Waiting[] = []
  #orders = 0

  /** Resolves when the thread runs. */
  static async start(wal: string): Promise<WalFlusher> {
    const flusher = new WalFlusher(wal)
    try {
      await new Promise<void>((resolve, reject) => {
        flusher.#thread.once('online', resolve).once('error', reject)
      })
      flusher.#thread.unref()
      return flusher
    } catch (error) {
      await flusher.close()
      throw error
    }
  }

  private constructor(wal: string) {
    // Windows flushes a file only for those who may write to it.
    this.#file = openSync(wal, 'r+')
    this.#thread = new Worker(new URL('./wal-flusher-thread.js', import.meta.url), { workerData: this.#file })
    this.#thread.on('message', (flushed: Flushed) => this.#settle(flushed))
    this.#thread.on('error', (error: Error) => this.#settle({ order: this.#orders, error: error.message }))
  }

  /** Resolves when a flush has ended that began after this call; rejects from the first that failed on. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order: ++this.#orders, resolve, reject })
      this.#thread.ref()
      this.#thread.postMessage(this.#orders)
    })
  }

  /** In this thread, which waits. Only where the other one has no order. */
  flushHere(): void {
    fdatasyncSync(this.#file)
  }

  /** Not before the last flush has ended. */
  async close(): Promise<void> {
    await this.#thread.terminate()
    closeSync(this.#file)
  }

  #settle({ order, error }: Flushed): void {
    for (
      let first = this.#waiting[0];
      first !== undefined && first.order <= order;
      first = this.#waiting[0]
    ) {
      this.#waiting.shift()
      if (error === undefined) first.resolve()
      else first.reject(new Error(error))
    }
    if (this.#waiting.length === 0) this.#thread.unref()
  }
}
