import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { type BreakerRules, type Countable, countable } from '../../runs/breaker.js'
import { refuseUnknown } from './options.js'

/** When a session refuses runs for a while. */
export interface BreakerOptions {
  /** How many runs in a row have to fail. Default 5. */
  readonly failures?: number
  /** How long runs are refused before one may try the session out. Default 1 m. */
  readonly cooldown?: Duration
  /** What is a failure: `stalled`, `timed_out` and `lost`, and `failed` where it is named. */
  readonly counts?: readonly Countable[]
}

const usual: readonly Countable[] = ['stalled', 'timed_out', 'lost']
const minute = 60_000

/** Null where there is to be none. */
export function parseBreaker(options: BreakerOptions | false | undefined): BreakerRules | null {
  if (options === undefined || options === false) return null
  refuseUnknown('breaker', options, ['failures', 'cooldown', 'counts'])
  const { failures = 5, cooldown = minute, counts = usual } = options
  if (!Number.isSafeInteger(failures) || failures < 1)
    throw invalid(`breaker.failures: ${String(failures)} is no whole number from 1 on`)
  const pause = parseDuration('breaker.cooldown', cooldown)
  // Else only an operator would close it, and no run would be told when to come again.
  if (!Number.isFinite(pause)) throw invalid('breaker.cooldown: must be finite')
  if (!Array.isArray(counts) || counts.length === 0)
    throw invalid(`breaker.counts: must name at least one of ${countable.join(', ')}`)
  for (const state of counts) {
    if (!countable.includes(state))
      throw invalid(`breaker.counts: ${String(state)} is none of ${countable.join(', ')}`)
  }
  return { failures, cooldown: Math.round(pause), counts: [...counts] }
}

function invalid(message: string): CoppiceError {
  return new CoppiceError('invalid_option', message)
}
