import { describe, expect, it } from 'vitest'
import {
  afterEnd,
  type Breaker,
  type BreakerRules,
  concernsBreaker,
  isTrialDue,
  retryAfter,
} from '#src/runs/breaker.js'
import { terminalStates } from '#src/runs/states.js'

const rules: BreakerRules = { failures: 2, cooldown: 100, counts: ['timed_out', 'lost'] }
const opened = { since: 0, why: 'so', retryAt: 100, trial: null }
const open: Breaker = { rules, failures: 2, opened }

describe('case 35: the steps of a breaker', () => {
  it('lets one try the session out, and not before the cooldown is over', () => {
    expect(isTrialDue(opened, 99)).toBe(false)
    expect(isTrialDue(opened, 100)).toBe(true)
    expect(isTrialDue({ ...opened, trial: 'r' }, 1_000)).toBe(false)
  })

  it('says when a retry is worth it', () => {
    expect(retryAfter(open, 30)).toBe(70)
    expect(retryAfter(open, 130)).toBe(0)
    expect(retryAfter({ ...open, opened: { ...opened, trial: 'r' } }, 130)).toBe(100)
    expect(retryAfter({ ...open, opened: null }, 30)).toBe(0)
  })

  it('changes nothing by an end that does not concern it, so that nobody need look', () => {
    for (const breaker of [null, open])
      for (const own of [null, rules])
        for (const state of terminalStates) {
          if (concernsBreaker(breaker, own, state)) continue
          expect(afterEnd(breaker, own, { run: 'r', state, at: 5 })).toBe(breaker)
        }
  })
})
