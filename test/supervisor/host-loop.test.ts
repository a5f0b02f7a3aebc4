import { describe, expect, it } from 'vitest'
import { HostLoop } from '#src/supervisor/keeper/host-loop.js'

/** A loop with a clock that is set by hand, and what came of it. */
function watched(timeout = 10_000) {
  let now = 0
  const told: string[] = []
  const loop = new HostLoop(
    {
      ask: () => told.push(`asked at ${now}`),
      onStuck: (silence) => told.push(`stuck for ${silence}`),
      onBack: (silence) => told.push(`back after ${silence}`),
    },
    timeout,
    () => now,
  )
  const at = (time: number) => {
    now = time
    return loop
  }
  return { loop, told, at }
}

describe('P7: a host’s loop as its keeper sees it', () => {
  it('is asked one question at a time', () => {
    const { at, told } = watched()
    for (const time of [1000, 2000, 3000]) at(time).turn()
    at(3010).answered()
    at(4000).turn()
    expect(told).toEqual(['asked at 1000', 'asked at 4000'])
  })

  it('was blocked from a question to its late answer', () => {
    const { at, loop } = watched()
    at(1000).turn()
    for (const time of [2000, 3000]) at(time).turn()
    expect(loop.blockedFor).toBe(2000)
    at(3500).answered()
    expect(loop.blockedFor).toBe(0)
    at(5000)
    expect(loop.blockedWithin(4000)).toBe(2500)
    expect(loop.blockedWithin(2000)).toBe(500)
    expect(loop.blockedWithin(1000)).toBe(0)
  })

  it('is blocked while it does not answer', () => {
    const { at, loop } = watched()
    at(1000).turn()
    at(1600)
    expect(loop.blockedWithin(10_000)).toBe(600)
  })

  it('is not called blocked for what any turn of work takes', () => {
    const { at, loop } = watched()
    at(1000).turn()
    at(1150).answered()
    expect(loop.blockedWithin(10_000)).toBe(0)
  })

  it('was blocked as well while its keeper did not run: nobody could have seen progress', () => {
    const { at, loop } = watched()
    at(1000).turn()
    at(61_000).turn()
    at(61_001).answered()
    expect(loop.blockedWithin(61_001)).toBe(60_000)
  })

  it('is stuck after its timeout, once, and back once', () => {
    const { at, told } = watched(2500)
    for (const time of [1000, 2000, 3000, 4000, 5000]) at(time).turn()
    at(5200).answered()
    at(6000).turn()
    at(6001).answered()
    expect(told).toEqual(['asked at 1000', 'stuck for 3000', 'back after 4200', 'asked at 6000'])
  })
})
