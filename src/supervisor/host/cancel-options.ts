import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'

export interface CancelOptions {
  /** Goes into the outcome as its message. */
  readonly reason?: string
  /** Between SIGTERM and SIGKILL; 0 kills at once, also where a patient cancel is under way. */
  readonly grace?: Duration
}

export interface ParsedCancel {
  readonly message: string | null
  /** Whole milliseconds; null for the run's own. */
  readonly grace: number | null
}

/** `invalid_option` where something is wrong; a text is the reason. */
export function parseCancel(options: CancelOptions | string): ParsedCancel {
  if (typeof options === 'string') return { message: options, grace: null }
  refuseUnknown('cancel', options, ['reason', 'grace'])
  const { reason, grace } = options
  if (reason !== undefined && typeof reason !== 'string') {
    throw new CoppiceError('invalid_option', 'reason: must be a text')
  }
  return {
    message: reason ?? null,
    // The store keeps whole numbers, and none that is infinite.
    grace:
      grace === undefined
        ? null
        : Math.min(Math.ceil(parseDuration('grace', grace)), Number.MAX_SAFE_INTEGER),
  }
}
