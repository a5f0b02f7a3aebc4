import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { init, inPidNamespace } from '../support/pid-namespace.ts'
import { fixture, test } from '../support/scene.ts'

describe.skipIf(inPidNamespace === null || init === null).for(kindsHere)(
  'case 9: a stranger with the number of a root that has exited, by %s (needs a pid namespace and an init)',
  (kind) => {
    test('lives on, whatever is done to the tree and its run', async ({ scene }) => {
      const host = [process.execPath, fixture('host-among-reused-numbers.mjs'), kind]
      const argv = [...(inPidNamespace ?? []), ...(init ?? []), ...host]
      const { code, stdout, stderr } = await scene.bash('exec "$@"', argv).exited
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(JSON.parse(stdout)).toEqual({
        isReused: true,
        before: 1,
        survivors: [],
        sweepKilled: 0,
        isStrangerAlive: true,
      })
    })
  },
)
