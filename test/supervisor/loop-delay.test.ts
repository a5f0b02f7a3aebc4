import { expect, test } from 'vitest'
import { intervalAfter, type Look, LoopDelay } from '#src/supervisor/loop-delay.js'
import { eventually } from '../support/eventually.ts'

test('P7: a loop that idles is looked at ever less often, and one that works twenty times a second at once', () => {
  const intervals = [50]
  for (let looks = 0; looks < 8; looks++) intervals.push(intervalAfter(intervals.at(-1) ?? 0, 0.01))
  expect(intervals).toEqual([50, 100, 200, 400, 800, 1600, 3200, 4000, 4000])
  expect(intervalAfter(4000, 0.05)).toBe(50)
  expect(intervalAfter(50, 1)).toBe(50)
})

test('P7: a loop that works is looked at twenty times a second', async () => {
  const looks: Look[] = []
  const delay = new LoopDelay((look) => looks.push(look))
  delay.start()
  const until = performance.now() + 60_000
  // Without a pause that a busy machine would make longer, and that would be idleness.
  while (performance.now() < until && looks.length < 5) {
    block(5)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(looks.map(({ missed }) => missed)).toEqual([0, 0, 0, 0, 0])
  delay.stop()
})

test('P7: how late it was is seen by whoever looks when it turns again', async () => {
  const looks: Look[] = []
  const delay = new LoopDelay((look) => looks.push(look))
  delay.start()
  block(400)
  await eventually(() => looks.length > 0)
  expect(looks[0]?.lateMs).toBeGreaterThan(300)
  delay.stop()
})

function block(milliseconds: number): void {
  for (const until = performance.now() + milliseconds; performance.now() < until; );
}
