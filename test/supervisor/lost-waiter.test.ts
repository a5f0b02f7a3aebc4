import { hostname } from 'node:os'
import { describe, expect } from 'vitest'
import { noLimits } from '#src/containment/limits.js'
import { self } from '#src/containment/processes/processes.js'
import { defaultBounds } from '#src/runs/bounds.js'
import { openStore } from '#src/store/open.js'
import { handlers } from '#src/supervisor/keeper/calls.js'
import { admission, ending, supervisorNamed } from '../store/scene.ts'
import { eventually } from '../support/eventually.ts'
import { openKeeper } from '../support/keeper.ts'
import { test } from '../support/scene.ts'

describe('P5, P8: a waiter that was given its session and lost it, both while its supervisor slept', () => {
  test('ends for its caller as the claimant ends it, and its callback is not called', async ({ scene }) => {
    const { keeper, told } = await openKeeper(scene)
    const other = await openStore(scene.state)
    const identity = await self()
    await other.register(supervisorNamed('two', { host: hostname(), identity, socket: null }))
    await other.admit(admission('holder', 'k', { supervisor: 'two' }))
    const plain = {
      session: 'k',
      parent: null,
      request: null,
      delivers: false,
      tells: false,
      labels: null,
      wait: null,
      interrupts: false,
    }
    const unbounded = { sessionBudget: { trees: 9, limits: noLimits }, breaker: null }
    // Whoever claims it may take longer to end it than the run itself might.
    const bounds = { ...defaultBounds, grace: 0, killBound: 0, drainBound: 0 }
    const priority = 'interactive' as const
    const asked = { run: 'waiter', ...plain, priority, maxWaiters: 9, bounds, ...unbounded }
    const admitted = handlers.admit(keeper, asked).then(
      () => 'admitted',
      ({ code }) => code,
    )
    await eventually(async () => (await other.queueLength('k')) === 1)

    const { admitted: next } = await other.finishIfHeld(
      { run: 'holder', supervisor: 'two', fence: 1 },
      ending({ at: Date.now() }),
    )
    expect(next?.run).toBe('waiter')
    const hold = await other.takeOverByForce('waiter', 'two', Date.now())
    if (hold === null) expect.fail('not taken over')
    keeper.lookout.newsOf('waiter')
    await eventually(() => keeper.runs.get('waiter')?.progress.state !== 'waiting')
    const cancelled = handlers.cancel(keeper, {
      target: { run: 'waiter' },
      message: null,
      grace: null,
      force: false,
    })
    const lost = ending({ cause: 'lost', callback: 'left_behind', at: Date.now() })
    const { outcome } = await other.finishIfHeld(hold, lost)

    expect(await admitted).toBe('run_lost')
    expect(await cancelled).toEqual(outcome)
    expect(told).toMatchObject([
      { type: 'event', name: 'transition', event: { run: 'waiter', from: null, to: 'waiting' } },
      { type: 'event', name: 'transition', event: { run: 'waiter', from: 'waiting', to: 'lost' } },
      { type: 'ended', run: 'waiter', outcome },
    ])
    await handlers.close(keeper, { drain: 0, within: 0 })
    await other.close()
  })
})
