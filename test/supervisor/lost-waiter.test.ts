import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
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

const plain = {
  session: 'k',
  parent: null,
  request: null,
  delivers: false,
  tells: false,
  labels: null,
  wait: null,
  interrupts: false,
  priority: 'interactive',
  maxWaiters: 9,
  bounds: defaultBounds,
  sessionBudget: { trees: 9, limits: noLimits },
  breaker: null,
} as const

describe('P5, P8: a waiter that was given its session and lost it, both while its supervisor slept', () => {
  test('ends for its caller as the claimant ends it, and its callback is not called', async ({ scene }) => {
    const { keeper, told } = await openKeeper(scene)
    const other = await openStore(scene.state)
    const identity = await self()
    await other.register(supervisorNamed('two', { host: hostname(), identity, socket: null }))
    await other.admit(admission('holder', 'k', { supervisor: 'two' }))
    // Whoever claims it may take longer to end it than the run itself might.
    const bounds = { ...defaultBounds, grace: 0, killBound: 0, drainBound: 0 }
    const asked = { run: 'waiter', ...plain, bounds }
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

describe('P2, P8: a waiter that was passed over while its supervisor slept', () => {
  test('and leaves the queue of a free session: the next has it at once, without a look', async ({
    scene,
  }) => {
    const [{ keeper: one }, { keeper: two }] = await Promise.all([
      openKeeper(scene),
      openKeeper(scene, () => ({ id: 'two' })),
    ])
    for (const { lookout } of [one, two]) lookout.news = () => {}
    const database = new DatabaseSync(scene.state)
    const renewed = (at: number) =>
      database.prepare(`UPDATE supervisors SET renewed_at = ? WHERE id = 'two'`).run(at)
    database.exec('PRAGMA busy_timeout = 5000')
    const { fence } = (await one.store.admit(admission('holder', 'k', { supervisor: 'one' }))) as {
      fence: number
    }
    const passed = handlers.admit(two, { run: 'passed over', ...plain })
    await eventually(async () => (await one.store.queueLength('k')) === 1)
    renewed(1)
    const end = await one.store.finishIfHeld(
      { run: 'holder', supervisor: 'one', fence },
      ending({ at: Date.now() }),
    )
    expect(end.admitted).toBeNull()
    renewed(Date.now())
    const next = handlers.admit(one, { run: 'next', ...plain })
    await eventually(async () => (await one.store.queueLength('k')) === 2)
    const cancel = { target: { run: 'passed over' }, message: null, grace: null, force: false }
    await Promise.all([
      expect(passed).rejects.toMatchObject({ code: 'run_cancelled' }),
      handlers.cancel(two, cancel).catch(() => {}),
    ])
    expect(await next).toMatchObject({ fence: fence + 1 })
    for (const keeper of [one, two]) await handlers.close(keeper, { drain: 0, within: 0 })
    database.close()
  })
})

describe('P5: a waiter that another process cancels', () => {
  test('hears of it at once, without a look', async ({ scene }) => {
    const [{ keeper: one }, { keeper: two }] = await Promise.all([
      openKeeper(scene),
      openKeeper(scene, () => ({ id: 'two' })),
    ])
    two.lookout.news = () => {}
    await one.store.admit(admission('holder', 'k', { supervisor: 'one' }))
    const waits = handlers.admit(two, { run: 'waits', ...plain })
    await eventually(async () => (await one.store.queueLength('k')) === 1)
    const cancel = { target: { run: 'waits' }, message: 'enough', grace: null, force: false }
    const [outcome] = await Promise.all([
      handlers.cancel(one, cancel),
      expect(waits).rejects.toMatchObject({ code: 'run_cancelled' }),
    ])
    expect(outcome).toMatchObject({ state: 'cancelled', message: 'enough', fence: null })
    for (const keeper of [one, two]) await handlers.close(keeper, { drain: 0, within: 0 })
  })
})
