import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import type { StoredWait } from '../../store/records.js'
import { after } from '../../timers.js'

export interface WaitOptions {
  /** How long to wait; then `waitFor` rejects with `wait_timed_out`, and the run goes on. `Infinity` for as long as the run. */
  readonly timeout: Duration
}

/** What a run waits for that is neither its own work nor in its hands: an answer of a person, an event. */
export class Waits {
  readonly #open = new Set<StoredWait>()
  readonly #store: (waits: string | null) => Promise<void>

  constructor(store: (waits: string | null) => Promise<void>) {
    this.#store = store
  }

  /** The latest; null where it waits for nothing. */
  get current(): StoredWait | null {
    return [...this.#open].at(-1) ?? null
  }

  /** Resolves as `promise` does; rejects where `bound` milliseconds pass before, or `ended` aborts. */
  async for<T>(what: string, promise: PromiseLike<T>, bound: number, ended: AbortSignal): Promise<T> {
    const until = bound === Number.POSITIVE_INFINITY ? null : Date.now() + Math.ceil(bound)
    const wait: StoredWait = { what, since: Date.now(), until }
    const { promise: over, reject } = Promise.withResolvers<never>()
    over.catch(() => {})
    const onEnd = () => reject(ended.reason)
    if (ended.aborted) onEnd()
    else ended.addEventListener('abort', onEnd, { once: true })
    const disarm = after(bound, () => reject(timedOut(what, bound)))
    this.#open.add(wait)
    // It is visible while it lasts; a store that is away keeps nobody waiting longer, and a run that is lost hears of it.
    this.#tell().catch((error: unknown) => {
      if (error instanceof CoppiceError && error.code === 'run_lost') reject(error)
    })
    try {
      return await Promise.race([promise, over])
    } finally {
      disarm()
      ended.removeEventListener('abort', onEnd)
      this.#open.delete(wait)
      if (!ended.aborted) this.#tell().catch(() => {})
    }
  }

  #tell(): Promise<void> {
    return this.#store(this.#open.size === 0 ? null : JSON.stringify([...this.#open]))
  }
}

/** `invalid_option` names what is wrong. */
export function parseWaitBound(what: unknown, options: WaitOptions): number {
  if (typeof what !== 'string' || what === '' || what.length > 1000)
    throw new CoppiceError(
      'invalid_option',
      'waitFor: what it waits for must be a text of 1 to 1000 characters',
    )
  const timeout: unknown = options?.timeout
  if (timeout === undefined)
    throw new CoppiceError('invalid_option', 'waitFor: timeout: is missing (a duration, or Infinity)')
  return parseDuration('timeout', timeout as Duration)
}

function timedOut(what: string, bound: number): CoppiceError {
  return new CoppiceError('wait_timed_out', `waited ${bound} ms for ${what}`)
}
