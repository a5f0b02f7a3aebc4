import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'

export interface CloseOptions {
  /** How long what runs is left to finish, before the rest is ended. Default 0. */
  readonly drain?: Duration
  /** How long everything after the drain may take; every run gets its share of it. Default: the runs' own bounds. */
  readonly within?: Duration
}

/** Milliseconds; null where it is not said. */
export interface ParsedClose {
  readonly drain: number | null
  readonly within: number | null
}

/** Docker gives ten seconds from its signal to its SIGKILL. */
const withinOfSignals = 9_000

export function parseClose(options: CloseOptions, what = 'close'): ParsedClose {
  refuseUnknown(what, options, ['drain', 'within'])
  const { drain, within } = options
  return {
    drain: drain === undefined ? null : parseDuration('drain', drain),
    within: within === undefined ? null : parseDuration('within', within),
  }
}

/** What a signal is to do; null where the host does not ask for it. */
export function parseHandleSignals(value: unknown = false): Required<CloseOptions> | null {
  if (value === false) return null
  if (value !== true && (typeof value !== 'object' || value === null)) {
    throw new CoppiceError('invalid_option', 'handleSignals: must be true, false or { drain, within }')
  }
  const { drain, within } = parseClose(value === true ? {} : value, 'handleSignals')
  return { drain: drain ?? 0, within: within ?? withinOfSignals }
}
