import { expect, test } from 'vitest'
import { untilTick } from '#src/timers.js'

test('what is due at a tick is due at the same moment for all who ask, half a tick away at least', () => {
  const ticks = new Set<number>()
  for (const until = performance.now() + 100; performance.now() < until; ) {
    const before = Number(process.hrtime.bigint() / 1_000_000n)
    const delay = untilTick(2000)
    // Who was on the next millisecond already when it was asked says nothing.
    if (Number(process.hrtime.bigint() / 1_000_000n) !== before) continue
    expect(delay).toBeGreaterThanOrEqual(1000)
    expect(delay).toBeLessThan(3000)
    ticks.add((before + delay) % 2000)
  }
  expect(ticks.size).toBe(1)
})
