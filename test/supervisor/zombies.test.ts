import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { init, inPidNamespace } from '../support/pid-namespace.ts'
import { fixture, test } from '../support/scene.ts'

const places = [
  { place: 'below an init', first: init },
  { place: 'as PID 1 itself, without an init', first: [] },
]

describe.skipIf(inPidNamespace === null).for(kindsHere)(
  'case 14: a hundred orphans, by %s (needs a pid namespace)',
  (kind) => {
    for (const { place, first } of places) {
      test.skipIf(first === null)(`none is left a zombie, in a host ${place}`, async ({ scene }) => {
        const argv = [
          ...(inPidNamespace ?? []),
          ...(first ?? []),
          process.execPath,
          fixture('host-that-counts-zombies.mjs'),
          kind,
        ]
        const { code, stdout, stderr } = await scene.bash('exec "$@"', argv).exited
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        // Without a guard they are for PID 1 to reap, and Node reaps only what it has started: the control.
        const left = kind === 'group' && first?.length === 0 ? 100 : 0
        const [during, after] = stdout
          .trim()
          .split('\n')
          .map((line) => Number(line.split(' ')[1]))
        expect(during).toBe(left)
        expect(after).toBeGreaterThanOrEqual(left)
        expect(after).toBeLessThanOrEqual(left === 0 ? 0 : left + 2)
      })
    }
  },
)
