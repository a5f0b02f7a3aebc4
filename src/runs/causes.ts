import type { TerminalState } from './states.js'

/**
 * Why a run ends, and the terminal state that follows from it. The state follows from the cause alone: no exit
 * code and no later event can turn a cancelled run into a success (P5).
 */
export const endings = {
  returned: 'succeeded',
  threw: 'failed',
  cancelled: 'cancelled',
  interrupted: 'cancelled',
  parent_ended: 'cancelled',
  shutdown: 'cancelled',
  timed_out: 'timed_out',
  stalled: 'stalled',
  lost: 'lost',
  busy: 'refused',
  queue_full: 'refused',
  breaker_open: 'refused',
  deadlock: 'refused',
  subagent_limit: 'refused',
  request_exhausted: 'refused',
} as const satisfies Record<string, TerminalState>

export type Cause = keyof typeof endings

export const causes = Object.keys(endings) as readonly Cause[]

/** A run is refused before it is admitted and never after, so these causes end only a waiting run. */
export const refusals = [
  'busy',
  'queue_full',
  'breaker_open',
  'deadlock',
  'subagent_limit',
  'request_exhausted',
] as const satisfies readonly Cause[]
