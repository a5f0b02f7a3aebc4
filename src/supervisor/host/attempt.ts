import {
  DelegateBackoff,
  ExponentialBackoff,
  halfJitterGenerator,
  handleWhen,
  type IBackoff,
  retry,
} from 'cockatiel'
import { CoppiceError } from '../../errors.js'
import type { ThrownRecord } from '../../store/records.js'
import { longestDelay } from '../../timers.js'
import { type AttemptFunction, attemptOnce } from './attempt-once.js'
import { type AttemptOptions, type ParsedAttempt, parseAttempt } from './attempt-options.js'
import { retryAfterOf } from './retry-after.js'
import { thrownRecord } from './thrown.js'

export type { AttemptContext } from './attempt-once.js'

/** The entry that a failed attempt leaves in the transcript. */
export interface AttemptEntry {
  readonly coppice: 'attempt_failed'
  /** Which of its run's calls of `attempt` it belongs to, from 1. */
  readonly call: number
  /** Which attempt of that call, from 1. */
  readonly number: number
  readonly error: ThrownRecord
  /** Until the next attempt; null where there is none. */
  readonly pauseMs: number | null
  /**
   * Why there is none: `retryIf` said no; that was the last of the call's `attempts`, or of the run's `retries`; or the
   * pause would have outlasted the run.
   */
  readonly gaveUp: 'retry_if' | 'attempts' | 'retries' | 'run_time' | null
}

type Next = Pick<AttemptEntry, 'pauseMs' | 'gaveUp'>

/** What attempts need of their run. */
export interface AttemptingRun {
  readonly signal: AbortSignal
  append(entry: AttemptEntry): Promise<string>
  /** A new attempt is progress. */
  progress(): void
  /** Throws where the run has ended. */
  refuseAfterEnd(): void
  /** Milliseconds until it runs out of time. */
  timeLeft(): number
}

/** All attempts of one run, over all of its calls. */
export class Attempts {
  readonly #run: AttemptingRun
  readonly #mostRetries: number
  #calls = 0
  #retries = 0
  #pausedUntil = 0

  constructor(run: AttemptingRun, mostRetries: number) {
    this.#run = run
    this.#mostRetries = mostRetries
  }

  /** Whether one waits for its turn to try again. */
  get isPausing(): boolean {
    return performance.now() < this.#pausedUntil
  }

  make<T>(fn: AttemptFunction<T>, options: AttemptOptions): Promise<T> {
    return untilAborted(this.#run.signal, this.#make(fn, options))
  }

  async #make<T>(fn: AttemptFunction<T>, options: AttemptOptions): Promise<T> {
    this.#run.refuseAfterEnd()
    const { signal } = this.#run
    const asked = parseAttempt(options)
    if (typeof fn !== 'function')
      throw new CoppiceError('invalid_option', `fn: ${String(fn)} is no function that makes one attempt`)
    const call = ++this.#calls
    const pauses = exponential(asked)
    let next: Next = { pauseMs: null, gaveUp: null }
    // A pause that the run's end cut short goes on without anybody: it must not keep the process alive.
    const policy = retry(
      handleWhen(() => next.pauseMs !== null),
      { backoff: new DelegateBackoff(() => next.pauseMs ?? 0) },
    ).dangerouslyUnref()
    return policy.execute(async ({ attempt }) => {
      // cockatiel asks its signal before a pause, but not after it: an ended run would make one more attempt.
      signal.throwIfAborted()
      this.#run.progress()
      const number = attempt + 1
      try {
        return await attemptOnce(fn, { number, signal }, asked)
      } catch (error) {
        signal.throwIfAborted()
        next = await this.#next(error, number, asked, pauses)
        await this.#run.append({
          coppice: 'attempt_failed',
          call,
          number,
          error: shortRecord(error),
          ...next,
        })
        this.#pausedUntil = performance.now() + (next.pauseMs ?? 0)
        throw error
      }
    })
  }

  async #next(error: unknown, number: number, asked: ParsedAttempt, pauses: () => number): Promise<Next> {
    const giveUp = (gaveUp: Next['gaveUp']): Next => ({ pauseMs: null, gaveUp })
    if (!(await asked.retryIf(error, number))) return giveUp('retry_if')
    if (number >= asked.attempts) return giveUp('attempts')
    if (this.#retries >= this.#mostRetries) return giveUp('retries')
    const pauseMs = Math.ceil(Math.max(pauses(), retryAfterOf(error, Date.now()) ?? 0))
    if (pauseMs > Math.min(this.#run.timeLeft(), longestDelay)) return giveUp('run_time')
    this.#retries += 1
    return { pauseMs, gaveUp: null }
  }
}

/** SDKs put the whole answer into the message, and a proxy's may be a page of HTML, again for each attempt. */
const longestMessage = 2_000

function shortRecord(error: unknown): ThrownRecord {
  const record = thrownRecord(error)
  const { message } = record
  return message.length <= longestMessage
    ? record
    : { ...record, message: `${message.slice(0, longestMessage)}…` }
}

/** Half of each pause is chance, so that those whom one outage hit do not all come back at the same moment. */
function exponential({ initial, longest }: ParsedAttempt): () => number {
  const factory = new ExponentialBackoff({
    initialDelay: initial,
    maxDelay: longest,
    generator: halfJitterGenerator,
  })
  let last: IBackoff<unknown> | null = null
  return () => {
    last = (last ?? factory).next(undefined)
    return last.duration
  }
}

/** As `work`, but rejects with the signal's reason at the moment of its abort. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const over = Promise.withResolvers<never>()
  const abort = () => {
    // Whoever no longer awaits an attempt when its run ends must not be brought down by it.
    result.catch(() => {})
    over.reject(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  const result = Promise.race([over.promise, work]).finally(() => signal.removeEventListener('abort', abort))
  return result
}
