import { expect, test } from 'vitest'
import { Latencies } from '#src/store/sqlite/latencies.js'

const since = (milliseconds: number) => ({ since: performance.now() - milliseconds })

test('a commit counts with the request that waited longest, from its request on', () => {
  const latencies = new Latencies()
  latencies.begin([since(10), since(500), since(20)])()
  const { count, p50, p99, max, pendingMs } = latencies.times(performance.now(), null)
  expect({ count, pendingMs }).toEqual({ count: 1, pendingMs: 0 })
  for (const figure of [p50, p99, max]) expect(figure).toBeGreaterThanOrEqual(500)
})

test('one of a hundred slow ones is the p99, and the p50 is not moved by it', () => {
  const latencies = new Latencies()
  for (let n = 0; n < 99; n++) latencies.begin([since(1)])()
  latencies.begin([since(5_000)])()
  const { p50, p99 } = latencies.times(performance.now(), null)
  expect(p50).toBeLessThan(1_000)
  expect(p99).toBeGreaterThanOrEqual(5_000)
})

test('what is older than a minute is forgotten', () => {
  const latencies = new Latencies()
  latencies.begin([since(5)])()
  expect(latencies.times(performance.now() + 59_000, null).count).toBe(1)
  expect(latencies.times(performance.now() + 61_000, null)).toMatchObject({
    count: 0,
    p50: null,
    p99: null,
    max: null,
  })
})

test('what is not on the disk yet is pending, queued or under way', () => {
  const latencies = new Latencies()
  const done = latencies.begin([since(3_000)])
  expect(latencies.times(performance.now(), null).pendingMs).toBeGreaterThanOrEqual(3_000)
  expect(latencies.times(performance.now(), performance.now() - 9_000).pendingMs).toBeGreaterThanOrEqual(
    9_000,
  )
  done()
  expect(latencies.times(performance.now(), null).pendingMs).toBe(0)
})

test('of more than a thousand, the latest count', () => {
  const latencies = new Latencies()
  for (let n = 0; n < 500; n++) latencies.begin([since(9_000)])()
  for (let n = 0; n < 1_000; n++) latencies.begin([since(0)])()
  const { count, max } = latencies.times(performance.now(), null)
  expect(count).toBe(1_000)
  expect(max).toBeLessThan(9_000)
})
