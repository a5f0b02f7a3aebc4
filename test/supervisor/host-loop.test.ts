import { afterEach, describe, expect, it, vi } from 'vitest'
import { HostLoop } from '#src/supervisor/keeper/host-loop.js'

afterEach(() => {
  vi.useRealTimers()
})

/** A loop with a clock that is set by hand, and what came of it. */
function watched(timeout = 10_000) {
  let now = 0
  const told: string[] = []
  const loop = new HostLoop(
    {
      ask: () => told.push(`asked at ${now}`),
      countsSeconds: () => false,
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

interface Answers {
  idles: boolean
  countsSeconds: boolean
  isSilent?: boolean
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

  describe('in time', () => {
    /** When it is asked, of a host that answers after a millisecond what `answers` says. */
    function asked(answers: Answers): number[] {
      return watchedInTime(answers).moments
    }

    function watchedInTime(answers: Answers, timeout = 10_000): { moments: number[]; loop: HostLoop } {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime', 'performance'] })
      const moments: number[] = []
      const loop = new HostLoop(
        {
          ask() {
            moments.push(performance.now())
            setTimeout(() => answers.isSilent || loop.answered(answers.idles), 1)
          },
          countsSeconds: () => answers.countsSeconds,
          onStuck: () => {},
          onBack: () => {},
        },
        timeout,
      )
      loop.start()
      return { moments, loop }
    }

    it('is asked every four seconds while it idles, and each second as soon as it works', async () => {
      const host = { idles: true, countsSeconds: false }
      const moments = asked(host)
      await vi.advanceTimersByTimeAsync(50_000)
      // The first two are due before anything is known, the third at the next whole tick.
      const whileIdle = gaps(moments).slice(2)
      expect(whileIdle.length).toBeGreaterThan(6)
      for (const gap of whileIdle) expect(Math.abs(gap - 4000)).toBeLessThan(2)
      host.idles = false
      await vi.advanceTimersByTimeAsync(20_000)
      expect(gaps(moments).slice(-12)).toEqual(Array.from({ length: 12 }, () => 1000))
    })

    it('is asked within a second of the moment from which on a stall is counted in seconds', async () => {
      const host = { idles: true, countsSeconds: false }
      const { moments, loop } = watchedInTime(host)
      await vi.advanceTimersByTimeAsync(20_000)
      const before = moments.length
      while (moments.length === before) await vi.advanceTimersByTimeAsync(10)
      const last = moments.at(-1) ?? 0
      const since = () => moments.filter((moment) => moment > last).map((moment) => Math.round(moment - last))
      await vi.advanceTimersByTimeAsync(last + 1000 - performance.now())
      // What stalls after a minute may be told some seconds too early.
      loop.counts(60_000)
      await vi.advanceTimersByTimeAsync(1000)
      expect(since()).toEqual([])
      host.countsSeconds = true
      loop.counts(2000)
      await vi.advanceTimersByTimeAsync(2500)
      expect(since()).toEqual([3000, 4000])
    })

    it('is asked each second where it may be silent for a few of them only', async () => {
      const { moments } = watchedInTime({ idles: true, countsSeconds: false }, 7000)
      await vi.advanceTimersByTimeAsync(10_500)
      expect(gaps(moments)).toEqual(Array.from({ length: 9 }, () => 1000))
    })

    it('is asked at once where somebody wants to know', async () => {
      const host = { idles: true, countsSeconds: false, isSilent: false }
      const { moments, loop } = watchedInTime(host)
      await vi.advanceTimersByTimeAsync(20_000)
      const before = moments.length
      while (moments.length === before) await vi.advanceTimersByTimeAsync(10)
      await vi.advanceTimersByTimeAsync(500)
      host.isSilent = true
      loop.askNow()
      loop.askNow()
      expect(moments.length).toBe(before + 2)
      await vi.advanceTimersByTimeAsync(300)
      expect(Math.round(loop.blockedFor)).toBe(300)
    })

    it('is looked at each second from when on it owes an answer', async () => {
      const host = { idles: true, countsSeconds: false, isSilent: false }
      const { moments, loop } = watchedInTime(host)
      await vi.advanceTimersByTimeAsync(20_000)
      host.isSilent = true
      const turns = vi.spyOn(loop, 'turn')
      await vi.advanceTimersByTimeAsync(20_000)
      // The question, and the look four seconds later.
      expect(turns.mock.calls.length).toBeGreaterThanOrEqual(10)
      expect(loop.blockedFor).toBeGreaterThan(14_000)
      expect(moments.at(-1)).toBeLessThan(performance.now() - 14_000)
    })

    it('is asked each second while a stall is counted in seconds', async () => {
      const moments = asked({ idles: true, countsSeconds: true })
      await vi.advanceTimersByTimeAsync(10_500)
      expect(gaps(moments)).toEqual(Array.from({ length: 9 }, () => 1000))
    })
  })
})

function gaps(moments: readonly number[]): number[] {
  return moments.slice(1).map((moment, at) => Math.round(moment - (moments[at] ?? 0)))
}
