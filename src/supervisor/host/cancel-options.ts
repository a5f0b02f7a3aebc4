import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'

export interface CancelOptions {
  /** Goes into the outcome as its message. */
  readonly reason?: string
  /** Between SIGTERM and SIGKILL; 0 kills at once, also where a patient cancel is under way. */
  readonly grace?: Duration
  /**
   * Takes the run from its supervisor, however alive, where that is another one: for one that does not do it. The run
   * is ended from here, and what its callback writes from then on is refused with `run_lost`.
   */
  readonly force?: boolean
}

export interface ParsedCancel {
  readonly message: string | null
  /** Whole milliseconds; null for the run's own. */
  readonly grace: number | null
  readonly force: boolean
}

/** `invalid_option` where something is wrong; a text is the reason. */
export function parseCancel(options: CancelOptions | string): ParsedCancel {
  if (typeof options === 'string') return { message: options, grace: null, force: false }
  refuseUnknown('cancel', options, ['reason', 'grace', 'force'])
  const { reason, grace, force = false } = options
  if (reason !== undefined && typeof reason !== 'string') {
    throw new CoppiceError('invalid_option', 'reason: must be a text')
  }
  if (typeof force !== 'boolean') {
    throw new CoppiceError('invalid_option', 'force: must be true or false')
  }
  return {
    message: reason ?? null,
    // The store keeps whole numbers, and none that is infinite.
    grace:
      grace === undefined
        ? null
        : Math.min(Math.ceil(parseDuration('grace', grace)), Number.MAX_SAFE_INTEGER),
    force,
  }
}
