import { expect, test } from 'vitest'
import { MemoryTrend } from '#src/supervisor/keeper/memory-trend.js'

const MB = 1024 ** 2

/** Samples every ten seconds for so many minutes, of a process that has so many bytes after so many milliseconds. */
function trendOf(minutes: number, bytes: (at: number) => number) {
  let now = 0
  const trend = new MemoryTrend(
    () => now,
    () => bytes(now),
  )
  for (; now <= minutes * 60_000; now += 10_000) trend.sample()
  return trend.use
}

test('a process that grows evenly', () => {
  const { residentBytes, bytesPerMinute } = trendOf(5, (at) => 100 * MB + (at / 60_000) * 20 * MB)
  expect(residentBytes).toBeGreaterThanOrEqual(200 * MB)
  expect(bytesPerMinute).toBe(20 * MB)
})

test('one that goes up and down with its collections does not grow', () => {
  const { bytesPerMinute } = trendOf(10, (at) => 100 * MB + (at % 20_000 === 0 ? 0 : 50 * MB))
  expect(Math.abs(bytesPerMinute ?? Number.NaN)).toBeLessThan(MB)
})

test('what it was more than ten minutes ago is forgotten, and two minutes are too little to tell', () => {
  expect(trendOf(30, (at) => (at < 15 * 60_000 ? at * 1_000 : 15 * 60_000_000)).bytesPerMinute).toBe(0)
  expect(trendOf(1, (at) => at).bytesPerMinute).toBeNull()
})
