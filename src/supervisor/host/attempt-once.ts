import { noop, TimeoutStrategy, timeout } from 'cockatiel'
import ms from 'ms'
import { CoppiceError } from '../../errors.js'
import { longestDelay } from '../../timers.js'
import type { ParsedAttempt } from './attempt-options.js'

/** What the function of `run.attempt` gets. */
export interface AttemptContext {
  /** From 1. */
  readonly number: number
  /** Aborts when this attempt's time is up, or when the run begins to end; its reason is a `CoppiceError`. */
  readonly signal: AbortSignal
}

export type AttemptFunction<T> = (context: AttemptContext) => T | PromiseLike<T>

/** One attempt, over when its time is up whatever `fn` does then: what that still brings is dropped. */
export async function attemptOnce<T>(
  fn: AttemptFunction<T>,
  { number, signal: run }: AttemptContext,
  asked: ParsedAttempt,
): Promise<T> {
  const late = new AbortController()
  const signal = AbortSignal.any([run, late.signal])
  const once = () => fn({ number, signal })
  if (asked.timeout > longestDelay) return noop.execute(once)
  // Without `abortOnReturn: false` a response that `fn` returns would be cut off before its body is read.
  const strategy = { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false }
  const bounded = timeout(asked.timeout, strategy).dangerouslyUnref()
  bounded.onTimeout(() => {
    late.abort(timedOut(number, asked))
    // Node asks the signals below only when it is asked itself: an abort of the run's would then be the first it sees.
    signal.aborted
  })
  try {
    return await bounded.execute(once)
  } catch (error) {
    // The abort makes `fn` throw as well, as a rule an AbortError, and it may be the first.
    throw late.signal.aborted ? late.signal.reason : error
  }
}

function timedOut(number: number, { attempts, timeout }: ParsedAttempt): CoppiceError {
  const of = attempts === Number.POSITIVE_INFINITY ? '' : ` of ${attempts}`
  return new CoppiceError('attempt_timed_out', `attempt ${number}${of} took longer than ${ms(timeout)}`)
}
