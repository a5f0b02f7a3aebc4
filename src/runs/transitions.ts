import { type Cause, endings, refusals } from './causes.js'
import type { State, TerminalState } from './states.js'

/**
 * The state machine of a run, as data: `transitions[state][event]` is the next state, and an event that is not
 * in the row changes nothing. So the first cause wins without a flag: `stopping` has no row for a second one.
 */

export type Event = 'admitted' | 'finished' | Cause

type Row = Partial<Record<Event, State | 'as its cause says'>>

export const transitions: Record<State, Row> = {
  waiting: {
    admitted: 'running',
    cancelled: 'cancelled',
    parent_ended: 'cancelled',
    shutdown: 'cancelled',
    lost: 'lost',
    busy: 'refused',
    queue_full: 'refused',
    breaker_open: 'refused',
    deadlock: 'refused',
    subagent_limit: 'refused',
    request_exhausted: 'refused',
  },
  running: {
    returned: 'stopping',
    threw: 'stopping',
    cancelled: 'stopping',
    interrupted: 'stopping',
    parent_ended: 'stopping',
    shutdown: 'stopping',
    timed_out: 'stopping',
    stalled: 'stopping',
    lost: 'stopping',
  },
  stopping: { finished: 'as its cause says' },
  succeeded: {},
  failed: {},
  cancelled: {},
  timed_out: {},
  stalled: {},
  lost: {},
  refused: {},
}

/** How far a run has come: a cause is there exactly in `stopping` and in the terminal states. */
export interface Progress {
  readonly state: State
  readonly cause: Cause | null
}

/** What `event` makes of a run. The same object comes back where it changes nothing. */
export function advance(progress: Progress, event: Event): Progress {
  const next = transitions[progress.state][event]
  if (next === undefined) return progress
  if (next === 'as its cause says') return { state: endings[causeOf(progress)], cause: progress.cause }
  return { state: next, cause: event === 'admitted' || event === 'finished' ? null : event }
}

function causeOf(progress: Progress): Cause {
  if (progress.cause === null) throw new TypeError(`a run in state ${progress.state} has no cause`)
  return progress.cause
}

/**
 * Every pair of states that a stored run may go through in one write. A run may end without a stored `stopping`
 * (where it has no tree and no subagent alive), so `running` reaches what `stopping` reaches.
 */
export function storedTransitions(): ReadonlyArray<readonly [State, State]> {
  const afterAdmission = new Set<TerminalState>(
    Object.entries(endings)
      .filter(([cause]) => !(refusals as readonly string[]).includes(cause))
      .map(([, state]) => state),
  )
  const pairs = new Set<string>()
  for (const [from, row] of Object.entries(transitions) as Array<[State, Row]>) {
    for (const to of Object.values(row)) {
      if (to === 'as its cause says') for (const end of afterAdmission) pairs.add(`${from} ${end}`)
      else pairs.add(`${from} ${to}`)
      if (to === 'stopping') for (const end of afterAdmission) pairs.add(`${from} ${end}`)
    }
  }
  return [...pairs].map((pair) => pair.split(' ') as unknown as readonly [State, State])
}
