import { array, assert, integer, property, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { Tail } from '#src/supervisor/host/tail.js'

test('whatever is pushed, the last bytes of it are kept, as many as fit, and the others counted', () => {
  const pushed = array(uint8Array({ maxLength: 40 }), { maxLength: 20 })
  assert(
    property(integer({ min: 0, max: 50 }), pushed, (limit, chunks) => {
      const tail = new Tail(limit)
      let dropped = 0
      let all: number[] = []
      for (const chunk of chunks) {
        dropped += tail.push(chunk)
        all = [...all, ...chunk]
        expect(tail.pieces.flatMap((piece) => [...piece])).toEqual(all.slice(Math.max(0, all.length - limit)))
        expect(dropped).toBe(Math.max(0, all.length - limit))
      }
    }),
  )
})

test('what is kept is a copy: the memory that was pushed may be used again', () => {
  const tail = new Tail(8)
  const chunk = Uint8Array.of(1, 2, 3)
  tail.push(chunk)
  chunk.fill(0)
  expect(tail.pieces).toEqual([Uint8Array.of(1, 2, 3)])
})
