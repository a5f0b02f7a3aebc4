import { expect, onTestFinished, test, vi } from 'vitest'
import { StallWatch } from '#src/supervisor/keeper/stall-watch.js'

/** What a watch tells of answers in this order, of which so much was time in which the host was blocked. */
function toldOf(answers: ReadonlyArray<{ still: number; blocked?: number; isWaiting?: boolean }>): string[] {
  const told: string[] = []
  let blocked = 0
  const watch = new StallWatch({
    timeout: 1_000,
    ask: () => {},
    blockedWithin: () => blocked,
    onHalf: ({ milliseconds }) => told.push(`warned at ${milliseconds}`),
    onStall: ({ milliseconds }) => told.push(`stalled at ${milliseconds}`),
  })
  for (const answer of answers) {
    blocked = answer.blocked ?? 0
    watch.heard({ milliseconds: answer.still, doing: 'it', isWaiting: answer.isWaiting ?? false })
  }
  watch.stop()
  return told
}

test('P4: a stillness is warned of once, and before it is a stall', () => {
  expect(toldOf([{ still: 400 }, { still: 600 }, { still: 900 }, { still: 1_000 }])).toEqual([
    'warned at 600',
    'stalled at 1000',
  ])
})

test('P4: where the answer comes when all of the time is over, the warning comes with the stall', () => {
  expect(toldOf([{ still: 1_200 }])).toEqual(['warned at 1200', 'stalled at 1200'])
})

test('P4: progress right after a warning, and a block: what is still after that is warned of again', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const told: string[] = []
  let blocked = 0
  const watch = new StallWatch({
    timeout: 3_000,
    ask: () => {},
    blockedWithin: () => blocked,
    onHalf: () => told.push('warned'),
    onStall: () => told.push('stalled'),
  })
  const hear = (milliseconds: number) => watch.heard({ milliseconds, doing: 'it', isWaiting: false })
  vi.advanceTimersByTime(1_500)
  hear(1_500)
  vi.advanceTimersByTime(5_010)
  blocked = 5_000
  hear(5_000)
  vi.advanceTimersByTime(1_600)
  hear(6_600)
  watch.stop()
  expect(told).toEqual(['warned', 'warned'])
})

test('P4: that some of it counts no more begins no new one; progress does', () => {
  expect(toldOf([{ still: 600 }, { still: 900, blocked: 700 }, { still: 950, blocked: 300 }])).toEqual([
    'warned at 600',
  ])
  expect(toldOf([{ still: 600 }, { still: 100 }, { still: 700 }])).toEqual(['warned at 600', 'warned at 700'])
  expect(toldOf([{ still: 600 }, { still: 900, isWaiting: true }, { still: 700 }])).toEqual([
    'warned at 600',
    'warned at 700',
  ])
})
