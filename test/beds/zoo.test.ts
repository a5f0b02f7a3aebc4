import { describe, expect } from 'vitest'
import { attackers, endings, ordinary, storms, survivorsOf } from '../containment/zoo.ts'
import { bestHere } from '../support/containment.ts'
import { test } from '../support/scene.ts'

/** Case 8: nothing survives, whatever it is and however it is ended. */
const kinds = bestHere.containment === 'cgroup' ? (['guard', 'cgroup'] as const) : (['guard'] as const)

describe.skipIf(bestHere.containment === 'group' || ordinary.length === 0).for(kinds)(
  'the zoo, by %s',
  (kind) => {
    const bound = 120_000

    test.for(endings)('nothing lives after the ending: %s', { timeout: bound }, async (ending, { scene }) => {
      expect(await survivorsOf(scene, kind, ending, ordinary)).toEqual(nobody(ordinary))
    })

    test.for(endings)('nothing of a storm lives after: %s', { timeout: bound }, async (ending, { scene }) => {
      for (const name of storms) {
        expect(await survivorsOf(scene, kind, ending, [name])).toEqual(nobody([name]))
      }
    })

    test.for(endings)('what harms its guard dies by: %s', { timeout: bound }, async (ending, { scene }) => {
      for (const name of attackers) {
        expect(await survivorsOf(scene, kind, ending, [name])).toEqual(nobody([name]))
      }
    })
  },
)

function nobody(names: readonly string[]): Record<string, number> {
  return { ...Object.fromEntries(names.map((name) => [name, 0])), unannounced: 0 }
}
