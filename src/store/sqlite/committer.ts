/**
 * The one way into the database. Requests that arrive while a commit is under way share the next one, and each is
 * answered when its commit is on the disk, or when it has failed alone.
 *
 * A batch runs within one turn of the event loop, so that no read of ours ever sees it half done, and no
 * transaction is open between turns.
 *
 * Where a request fails in a way that is not a refusal, or the commit does (disk full, an fsync that failed), the
 * batch is rolled back and its requests run again, each in a transaction of its own: a failure is of one request.
 * A COMMIT that threw is unknown: its frames may be in the WAL. Running the identical requests again is the
 * read-back, since each verb finds what it wrote; what is acknowledged after that is stored, and what fails is
 * `store_unavailable`, after which the same write may be repeated.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { CommitTimes } from '../looking-contract.js'
import { Durability } from './durability.js'
import { Latencies } from './latencies.js'
import type { OpenFiles } from './open-files.js'
import { Pace } from './pace.js'
import { Queue, type Request } from './queue.js'
import { asStoreTrouble, isBusy } from './trouble.js'

export interface Work<T> {
  /** Runs within a transaction. It may throw a CoppiceError, a refusal, before its first writing statement only. */
  readonly write: () => T
  /** The run, session or supervisor that it is of: their requests keep their order. */
  readonly lane: string
  readonly urgent?: boolean
  /** Nobody waits for it: it goes with a commit that others need, and has one of its own only where none comes for a while. */
  readonly patient?: boolean
  /** How much it writes, where that may be much. */
  readonly bytes?: number
}

type Answer = { readonly value: unknown } | { readonly refusal: CoppiceError }

/** Milliseconds: longer than any write of ours takes. */
const tellLocked = 500
/** Milliseconds that a patient write waits for company. */
const patience = 25

export interface Patience {
  /** Milliseconds that a request waits while another program has the file. */
  readonly busyTimeout: number
  /** Called now and then meanwhile. */
  readonly onLocked?: (() => void) | undefined
  /** Called where a write fails of the store's trouble, and with null after one that is on the disk. */
  readonly onTrouble?: ((trouble: CoppiceError | null) => void) | undefined
}

export class Committer {
  readonly #database: DatabaseSync
  readonly #location: string
  readonly #files: OpenFiles
  readonly #busyTimeout: number
  readonly #onLocked: () => void
  readonly #onTrouble: (trouble: CoppiceError | null) => void
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #dataVersion: StatementSync
  readonly #durability: Durability
  readonly #pace = new Pace()
  readonly #queue = new Queue()
  readonly #latencies = new Latencies()
  #seenVersion: unknown
  /** When it was told last that another program has the file, or when that began. */
  #lockedAt: number | null = null
  #scheduled = false
  #later: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  #drained: (() => void) | undefined

  constructor(database: DatabaseSync, location: string, files: OpenFiles, patience: Patience) {
    this.#database = database
    this.#location = location
    this.#files = files
    this.#busyTimeout = patience.busyTimeout
    this.#onLocked = patience.onLocked ?? (() => {})
    this.#onTrouble = patience.onTrouble ?? (() => {})
    this.#durability = new Durability(database, location)
    this.#begin = database.prepare('BEGIN IMMEDIATE')
    this.#commit = database.prepare('COMMIT')
    this.#dataVersion = database.prepare('PRAGMA data_version')
  }

  write<T>({ write, lane, urgent = false, patient = false, bytes = 0 }: Work<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#refuseWhenClosed()
      this.#queue.add({ write, lane, urgent, patient, bytes, since: performance.now(), resolve, reject })
      this.#scheduleWhatIsThere()
    })
  }

  /** Runs `read` on one committed state of the database; its transaction ends before this returns to the loop. */
  async read<T>(read: () => T): Promise<T> {
    const since = performance.now()
    for (;;) {
      this.#refuseWhenClosed()
      try {
        this.#files.check()
        return this.#readNow(read)
      } catch (error) {
        if (!isBusy(error) || this.#waitedTooLong(since)) throw asStoreTrouble(error, this.#location)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** How long its writes take. */
  times(): CommitTimes {
    return this.#latencies.times(performance.now(), this.#queue.since)
  }

  /** Answers what was asked for before, then lets go of the file. */
  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#drained = resolve
      this.#goOn()
    }).then(async () => {
      await this.#durability.close()
      this.#database.close()
      this.#files.close()
    })
    return this.#closing
  }

  #scheduleWhatIsThere(): void {
    if (!this.#queue.isPatient || this.#drained !== undefined) this.#schedule()
    else this.#later ??= setTimeout(() => this.#schedule(), patience)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    clearTimeout(this.#later)
    this.#later = undefined
    const pause = this.#pace.pause(performance.now())
    if (pause > 0) setTimeout(this.#flush, pause)
    else setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    try {
      this.#files.check()
      this.#begin.run()
      this.#lockedAt = null
    } catch (error) {
      const lasts = !isBusy(error)
      if (!lasts) this.#wasLocked()
      this.#fail(
        this.#queue.remove(({ since }) => lasts || this.#waitedTooLong(since)),
        error,
      )
      this.#tryAgain()
      return
    }
    const batch = this.#queue.take(this.#durability.share(this.#queue.length))
    const answers = this.#runAndCommit(batch)
    this.#pace.batchEnded(performance.now())
    if (answers !== null) this.#acknowledge(batch, answers)
    this.#goOn()
  }

  /** Once it is on the disk. */
  #acknowledge(batch: readonly Request[], answers: readonly Answer[]): void {
    const done = this.#latencies.begin(batch)
    const answer = () => {
      done()
      this.#onTrouble(null)
      for (const [at, request] of batch.entries()) settle(request, answers[at])
    }
    const durable = this.#durability.ensure(batch.length)
    if (durable === null) answer()
    else
      durable
        .then(answer, (error) => {
          done()
          this.#fail(batch, error)
        })
        .then(() => this.#goOn())
  }

  #goOn(): void {
    if (this.#queue.isEmpty) this.#mayBeDrained()
    else this.#scheduleWhatIsThere()
  }

  #mayBeDrained(): void {
    if (this.#queue.isEmpty && this.#durability.unflushed === 0) this.#drained?.()
  }

  /** Null where the batch was rolled back and will run again, or where its one request has failed. */
  #runAndCommit(batch: readonly Request[]): Answer[] | null {
    try {
      // In the transaction, which has read the version already: before it, this would be another one.
      this.#noticeNeighbours()
      const answers = batch.map(({ write }) => answerOf(write))
      this.#commit.run()
      return answers
    } catch (error) {
      this.#rollBack()
      if (batch.length > 1 || isBusy(error)) this.#queue.runOneByOne(batch)
      else this.#fail(batch, error)
      return null
    }
  }

  #wasLocked(): void {
    const now = performance.now()
    this.#lockedAt ??= now
    if (now - this.#lockedAt < tellLocked) return
    this.#lockedAt = now
    this.#onLocked()
  }

  /** Another program has the file; there is no way to be told when it is done. */
  #tryAgain(): void {
    if (this.#queue.isEmpty || this.#scheduled) return
    this.#scheduled = true
    setTimeout(this.#flush, Math.random() < 0.8 ? 1 : 2)
  }

  #fail(failed: readonly Request[], error: unknown): void {
    const trouble = asStoreTrouble(error, this.#location)
    if (failed.length > 0 && isCoppiceError(trouble, 'store_unavailable')) this.#onTrouble(trouble)
    for (const { reject } of failed) reject(trouble)
    this.#mayBeDrained()
  }

  #readNow<T>(read: () => T): T {
    this.#database.exec('BEGIN')
    try {
      const answer = read()
      this.#database.exec('COMMIT')
      return answer
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  #rollBack(): void {
    try {
      this.#database.exec('ROLLBACK')
    } catch {
      // A full disk and an I/O error make SQLite roll back by itself; then there is no transaction left to end.
    }
  }

  #noticeNeighbours(): void {
    const version = this.#dataVersion.get()?.data_version
    // It changes with the commits of other connections only (https://www.sqlite.org/pragma.html#pragma_data_version).
    if (this.#seenVersion !== undefined && version !== this.#seenVersion) {
      this.#pace.sawNeighbour(performance.now())
    }
    this.#seenVersion = version
  }

  #waitedTooLong(since: number): boolean {
    return performance.now() - since > this.#busyTimeout
  }

  #refuseWhenClosed(): void {
    if (this.#closing === undefined) return
    throw new CoppiceError('supervisor_closed', `the store ${this.#location} is closed`, {
      path: this.#location,
    })
  }
}

function answerOf(write: () => unknown): Answer {
  try {
    return { value: write() }
  } catch (error) {
    if (error instanceof CoppiceError) return { refusal: error }
    throw error
  }
}

function settle({ resolve, reject }: Request, answer: Answer | undefined): void {
  if (answer !== undefined && 'value' in answer) resolve(answer.value as never)
  else reject(answer?.refusal)
}
