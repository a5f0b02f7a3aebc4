import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Bytes that are decoded in one turn of the loop: a fraction of a millisecond's work. Of a piece of a megabyte and more Node keeps
 * the text outside the heap, whose collections it would make longer.
 */
export const slice = 1280 * 1024

/** The text of UTF-8 that came in these pieces, wherever they were cut; what is none becomes U+FFFD. */
export async function decode(chunks: readonly Uint8Array[]): Promise<string> {
  let text = ''
  for (const piece of slices(chunks)) {
    if (text !== '') await nextTurn()
    text += piece.toString('utf8')
  }
  return text
}

function* slices(chunks: readonly Uint8Array[]): Generator<Buffer> {
  let parts: Uint8Array[] = []
  let size = 0
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + slice - size)
      at += part.length
      size += part.length
      parts.push(part)
      if (size < slice) continue
      const whole = Buffer.concat(parts)
      const cut = lastBeginning(whole)
      yield whole.subarray(0, cut)
      parts = [whole.subarray(cut)]
      size -= cut
    }
  }
  if (size > 0) yield Buffer.concat(parts)
}

/** Where the last character begins: no byte before that is part of it, be it valid or not. A character has four bytes at most. */
function lastBeginning(bytes: Buffer): number {
  for (let back = 1; back <= 4; back++) {
    const at = bytes.length - back
    const isContinuation = ((bytes[at] ?? 0) & 0b1100_0000) === 0b1000_0000
    if (!isContinuation) return at
  }
  return bytes.length
}
