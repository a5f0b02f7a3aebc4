import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { noLimits } from '#src/containment/limits.js'
import { plainStop } from '#src/containment/stop-plan.js'
import { SupervisedTree } from '#src/supervisor/keeper/tree.js'
import { Launching } from '../containment/launching.ts'
import { carriers } from '../support/alive.ts'

const helper = process.platform === 'linux' ? await findHelper() : null

/** P5: the first cause wins, however late the keeper hears of it. */
describe.skipIf(helper === null)(
  'a tree that was launched, ended by its guard and gone before the keeper looked',
  () => {
    let containment: Containment
    let launching: Launching
    beforeAll(async () => {
      containment = await openGuard({ helper: helper ?? '' })
    })
    afterAll(() => containment.close())
    beforeEach(() => {
      launching = new Launching(containment)
    })
    afterEach(() => launching.assertNothingLives())

    test.each(['stop', 'keep'] as const)(
      'has ended for the guard’s reason, which its exit does not hide (%s)',
      async (linger) => {
        const bounds = { timeout: 50, stallTimeout: 60_000, grace: 0, killBound: 5_000, drainBound: 1_000 }
        const stdio = ['ignore', 'ignore', 'ignore'] as const
        const launched = launching.launchUnread('sleep', ['600'], { bounds, stdio, linger })
        // What the guard has to say is then there at once: that it launched the tree, why it ends it, and that it is empty.
        setImmediate(() => blockUntilGone(launching.run))
        const { tree } = await launched
        const request = {
          run: launching.run,
          tree: tree.id,
          command: 'sleep',
          args: ['600'],
          cwd: '/',
          env: {},
          stdio,
          terminal: false,
          bounds,
          limits: noLimits,
          nice: 0,
          stop: plainStop,
          linger,
          callId: null,
        }
        const result = await new SupervisedTree(
          tree,
          request,
          () => {},
          () => 0,
        ).result
        expect(result).toMatchObject({
          ended: 'timed_out',
          exit: { code: null, signal: 'SIGKILL' },
          forced: true,
        })
      },
    )
  },
)

function blockUntilGone(run: string): void {
  const until = performance.now() + 10_000
  while (carriers(run).length === 0 && performance.now() < until);
  while (carriers(run).length > 0 && performance.now() < until);
}
