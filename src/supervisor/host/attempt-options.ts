import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'
import { isTransient } from './transient.js'

export interface AttemptOptions {
  /** How many attempts at most, the first among them. Default 10. */
  readonly attempts?: number
  /** How long each of them may take. Default 2 m. */
  readonly timeout?: Duration
  /** The pause after the first failure, doubled with each further one up to `longest`. Default 1 s and 10 s. */
  readonly backoff?: { readonly initial?: Duration; readonly longest?: Duration }
  /** Whether to try again after this error. Default `isTransient`. */
  readonly retryIf?: (error: unknown, number: number) => boolean | PromiseLike<boolean>
}

/**
 * The pauses of 10 attempts add up to 32 s at least and 65 s at most, so that they outlast an outage of half a minute;
 * and since none is longer than 10 s, such an outage costs little more than its own length.
 */
const defaults = { attempts: 10, timeout: '2m', initial: '1s', longest: '10s' } as const

const known = ['attempts', 'timeout', 'backoff', 'retryIf']

export interface ParsedAttempt {
  readonly attempts: number
  readonly timeout: number
  readonly initial: number
  readonly longest: number
  readonly retryIf: (error: unknown, number: number) => boolean | PromiseLike<boolean>
}

export function parseAttempt(options: AttemptOptions): ParsedAttempt {
  refuseUnknown('attempt', options, known)
  const { attempts, timeout, backoff = {}, retryIf = isTransient } = options
  refuseUnknown('attempt.backoff', backoff, ['initial', 'longest'])
  if (typeof retryIf !== 'function') throw invalid('retryIf', retryIf, 'no function of the error')
  return {
    attempts: parseCount('attempts', attempts ?? defaults.attempts, 1),
    timeout: parseDuration('timeout', timeout ?? defaults.timeout),
    initial: parseDuration('backoff.initial', backoff.initial ?? defaults.initial),
    longest: parseDuration('backoff.longest', backoff.longest ?? defaults.longest),
    retryIf,
  }
}

/** How many retries a run may make; of `RunSpec` and `openSupervisor`. */
export function parseRetries(retries: unknown, otherwise = 100): number {
  return retries === undefined ? otherwise : parseCount('retries', retries, 0)
}

function parseCount(option: string, value: unknown, least: number): number {
  if (value === Number.POSITIVE_INFINITY) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw invalid(option, value, `no whole number of ${least} or more, nor Infinity`)
}

function invalid(option: string, value: unknown, what: string): CoppiceError {
  return new CoppiceError('invalid_option', `${option}: ${String(value)} is ${what}`)
}
