/** The states of a run. A run holds its session's lock in `running` and `stopping`, and in no other state. */

export const terminalStates = [
  'succeeded',
  'failed',
  'cancelled',
  'timed_out',
  'stalled',
  'lost',
  /**
   * Never admitted: the session was busy, its queue full, its breaker open, the wait a deadlock, one subagent too many, or
   * its request tried too often.
   */
  'refused',
] as const

export const liveStates = ['running', 'stopping'] as const

export const states = ['waiting', ...liveStates, ...terminalStates] as const

export type State = (typeof states)[number]
export type TerminalState = (typeof terminalStates)[number]

export function isTerminal(state: State): state is TerminalState {
  return (terminalStates as readonly State[]).includes(state)
}
