import { describe, expect, test } from 'vitest'
import type { SupervisorRecord } from '#src/store/records.js'
import { Heartbeats } from '#src/supervisor/keeper/heartbeats.js'

const record = (id: string, renewedAt: number) => ({ id, renewedAt }) as SupervisorRecord

describe('P9: how long a supervisor has been silent', () => {
  test('is counted by the watcher’s own clock, from when it first saw the latest renewal', () => {
    let now = 1_000
    const heartbeats = new Heartbeats(() => now)
    expect(heartbeats.silenceOf(record('a', 7))).toBe(0)
    now += 20_000
    expect(heartbeats.silenceOf(record('a', 7))).toBe(20_000)
    expect(heartbeats.silenceOf(record('b', 7)), 'another one is another one').toBe(0)
    // Whatever time the other's clock says, backwards too.
    expect(heartbeats.silenceOf(record('a', 3))).toBe(0)
    now += 500
    expect(heartbeats.silenceOf(record('a', 3))).toBe(500)
    heartbeats.keepOnly([record('b', 7)])
    expect(heartbeats.silenceOf(record('a', 3)), 'one that was gone is seen for the first time').toBe(0)
    expect(heartbeats.silenceOf(record('b', 7))).toBe(500)
  })
})
