import { array, assert, asyncProperty, constantFrom, integer, oneof, string, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'
import { decode, slice } from '#src/supervisor/host/decoding.js'

/** Text, bytes that are none, and characters that were cut off. */
const piece = oneof(
  string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
  uint8Array({ maxLength: 6 }),
  constantFrom('€', '𝄞', 'é').map((character) => Buffer.from(character).subarray(0, -1)),
)

test('whatever stands where one turn’s share ends, the text is the same as in one piece', async () => {
  await assert(
    asyncProperty(
      array(piece),
      integer({ min: 0, max: 12 }),
      integer({ min: 1 }),
      async (pieces, back, cut) => {
        const all = Buffer.concat([Buffer.alloc(slice - back, 'a'), ...pieces, Buffer.alloc(slice, 'b')])
        const at = cut % all.length
        const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(all)
        // By hand: a comparison by the matcher would print megabytes.
        expect((await decode([all.subarray(0, at), all.subarray(at)])) === whole).toBe(true)
      },
    ),
    { numRuns: 50 },
  )
})
