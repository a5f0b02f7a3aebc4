/** How one request to the model goes. */
export type Fate = 'answer' | '429' | '500' | '529' | 'reset' | 'cut' | 'trickle' | 'hang'

/** Of twelve requests five are answered, and each of the seven failures happens once. */
const cards: readonly Fate[] = [
  ...(['429', '500', '529', 'reset', 'cut', 'trickle', 'hang'] as const),
  ...Array.from({ length: 5 }, () => 'answer' as const),
]

/** Deals fates from a shuffled deck, and another, for ever: the same ones for the same seed. */
export function* dealFates(seed: number): Generator<Fate, never> {
  const random = randomNumbers(seed)
  for (;;) {
    const deck = [...cards]
    while (deck.length > 0) yield* deck.splice(Math.floor(random() * deck.length), 1)
  }
}

/** Numbers from 0 to 1 that only look random (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
