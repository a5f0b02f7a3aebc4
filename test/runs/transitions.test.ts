import { describe, expect, it } from 'vitest'
import { type Cause, causes, endings } from '#src/runs/causes.js'
import { isTerminal, type State, states, terminalStates } from '#src/runs/states.js'
import { advance, type Event, storedTransitions } from '#src/runs/transitions.js'

const events: readonly Event[] = ['admitted', 'finished', ...causes]

/** The rules in words, written apart from the table that is tested against them. */
function expected(state: State, cause: Cause | null, event: Event): { state: State; cause: Cause | null } {
  const unchanged = { state, cause }
  const refuses: readonly Event[] = [
    'busy',
    'queue_full',
    'breaker_open',
    'deadlock',
    'subagent_limit',
    'request_exhausted',
  ]
  const endsWaiting: readonly Event[] = ['cancelled', 'parent_ended', 'shutdown', 'lost', ...refuses]
  if (state === 'waiting' && event === 'admitted') return { state: 'running', cause: null }
  if (state === 'waiting' && endsWaiting.includes(event)) {
    return { state: endings[event as Cause], cause: event as Cause }
  }
  const isCause = event !== 'admitted' && event !== 'finished'
  if (state === 'running' && isCause && !refuses.includes(event)) return { state: 'stopping', cause: event }
  if (state === 'stopping' && event === 'finished' && cause !== null) return { state: endings[cause], cause }
  return unchanged
}

describe('P5: the state machine of a run', () => {
  for (const state of states) {
    const withCauses = state === 'waiting' || state === 'running' ? [null] : causes
    it(`moves from ${state} on every event as the rules say, whatever its cause`, () => {
      for (const cause of withCauses) {
        for (const event of events) {
          expect(advance({ state, cause }, event), `${state} (${cause}) on ${event}`).toEqual(
            expected(state, cause, event),
          )
        }
      }
    })
  }

  it('keeps the first cause: no event changes a stopping run but its end', () => {
    for (const first of causes.filter((cause) => endings[cause] !== 'refused')) {
      const stopping = advance({ state: 'running', cause: null }, first)
      for (const later of causes) expect(advance(stopping, later)).toBe(stopping)
    }
  })

  it('never changes a terminal run', () => {
    for (const state of terminalStates) {
      for (const event of events) {
        const progress = { state, cause: 'lost' as const }
        expect(advance(progress, event)).toBe(progress)
      }
    }
  })

  it('calls a run succeeded for one cause alone', () => {
    expect(causes.filter((cause) => endings[cause] === 'succeeded')).toEqual(['returned'])
  })

  it('lets the store write exactly what a chain of events can reach', () => {
    const pairs = new Set(storedTransitions().map(([from, to]) => `${from} ${to}`))
    expect([...pairs].filter((pair) => isTerminal(pair.split(' ')[0] as State))).toEqual([])
    expect(pairs).toContain('waiting running')
    expect(pairs).toContain('running stopping')
    expect(pairs).toContain('running lost')
    expect(pairs).toContain('stopping timed_out')
    expect(pairs).not.toContain('waiting succeeded')
    expect(pairs).not.toContain('running refused')
    expect(pairs).not.toContain('stopping refused')
    expect(pairs).not.toContain('running waiting')
  })
})
