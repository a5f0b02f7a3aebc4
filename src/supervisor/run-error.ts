import { CoppiceError, type ErrorCode, type ErrorDetails } from '../errors.js'
import type { Cause } from '../runs/causes.js'

const codes: Record<Cause, ErrorCode> = {
  returned: 'run_ended',
  threw: 'run_ended',
  cancelled: 'run_cancelled',
  interrupted: 'run_cancelled',
  parent_ended: 'run_cancelled',
  shutdown: 'run_cancelled',
  timed_out: 'run_timed_out',
  stalled: 'run_stalled',
  lost: 'run_lost',
  busy: 'session_busy',
  queue_full: 'queue_full',
  breaker_open: 'breaker_open',
  deadlock: 'deadlock',
  subagent_limit: 'subagent_limit',
  request_exhausted: 'request_exhausted',
}

const defaultMessages: Partial<Record<Cause, string>> = {
  returned: 'has ended: its callback returned',
  threw: 'has ended: its callback threw',
  interrupted: 'was interrupted by another run of its session',
  parent_ended: 'was cancelled because its parent ended',
  shutdown: 'was cancelled by its supervisor’s shutdown',
  timed_out: 'ran out of time',
  stalled: 'stalled',
  cancelled: 'was cancelled',
  lost: 'was lost',
  busy: 'was refused: its session is busy',
  queue_full: 'was refused: there is no room for one more to wait',
  breaker_open: 'was refused: the breaker of its session is open',
  deadlock: 'was refused: it would wait for ever',
  subagent_limit: 'was refused: too many subagents',
  request_exhausted: 'was refused: its request was tried as often as it may be',
}

/** What a caller of a run gets that has ended, or is about to, other than by its own callback. */
export function runError(
  run: { readonly run: string; readonly session: string | null },
  cause: Cause | null,
  message: string | null,
  more: ErrorDetails = {},
): CoppiceError {
  const { session } = run
  const details = { ...more, run: run.run, session }
  if (cause === null) return new CoppiceError('run_ended', `run ${run.run} has ended`, details)
  const what = defaultMessages[cause] ?? `ended: ${cause}`
  const text = message === null ? `run ${run.run} ${what}` : `run ${run.run} ${what}: ${message}`
  return new CoppiceError(codes[cause], text, details)
}
