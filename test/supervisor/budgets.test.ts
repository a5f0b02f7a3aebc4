import { openSupervisor, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

/** Resolves when so many runs hold their sessions, whether they have a place or not. */
async function held(supervisor: Supervisor, many: number): Promise<void> {
  await eventually(async () => (await supervisor.runs({ state: 'running' })).length === many)
}

const never = () => new Promise<never>(() => {})

describe('P7: a budget of runs', () => {
  test('those over it hold their sessions and wait in order, interactive ones first', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { runs: 1 } })
    const holder = await supervisor.begin({ session: 'a' })
    const order: string[] = []
    const start = (session: string, priority: 'interactive' | 'background') =>
      supervisor.start({ session, priority }, () => order.push(session))
    const handles = [
      start('late', 'background'),
      start('first', 'interactive'),
      start('second', 'interactive'),
    ]
    await held(supervisor, 4)
    for (const { state } of handles) expect(state, 'for its caller').toBe('waiting')
    expect(order).toEqual([])
    await holder.end()
    await Promise.all(handles.map(({ result }) => result))
    expect(order.indexOf('late')).toBe(2)
    await supervisor.close()
  })

  test('P4: a timeout begins with the place', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { runs: 1 }, grace: 0 })
    const holder = supervisor.start({ session: 'a', timeout: '4s' }, never)
    const waits = supervisor.run({ session: 'b', timeout: '3s' }, () => 'ran')
    expect(await waits).toBe('ran')
    expect(await holder.outcome).toMatchObject({ state: 'timed_out' })
    await supervisor.close()
  })

  test('a subagent has its place at once, since its parent may wait for it, and counts', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { runs: 2 } })
    const order: string[] = []
    const done = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    const family = supervisor.run({ session: 'top' }, async (top) => {
      const subs = ['x', 'y'].map((session) =>
        top.subagent({ session }, async () => {
          if (session === 'y') began.resolve()
          await done.promise
        }),
      )
      await Promise.all(subs)
      order.push('family')
    })
    await began.promise
    const other = supervisor.run({ session: 'other' }, () => order.push('other'))
    await held(supervisor, 4)
    expect(order).toEqual([])
    done.resolve()
    await Promise.all([family, other])
    expect(order.toSorted()).toEqual(['family', 'other'])
    await supervisor.close()
  })

  test('case 24: one that waits for a place is cancelled, interrupted, taken over and closed like every other', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { runs: 1 }, grace: '5s' })
    const holder = await supervisor.begin({ session: 'a' })
    const called: string[] = []
    const start = (session: string) => supervisor.start({ session }, () => called.push(session))

    const cancelled = start('b')
    await held(supervisor, 2)
    expect(await cancelled.cancel('enough')).toMatchObject({ state: 'cancelled', callback: 'settled' })
    await expect(cancelled.result).rejects.toMatchObject({ code: 'run_cancelled', name: 'AbortError' })

    const taken = start('b')
    await held(supervisor, 2)
    const { code } = await scene.coppice(['cancel', taken.id, '--force']).exited
    expect(code).toBe(0)
    expect(await taken.outcome).toMatchObject({ state: 'cancelled' })

    const interrupted = start('b')
    await held(supervisor, 2)
    const next = supervisor.start({ session: 'b', ifBusy: 'interrupt' }, () => 'next')
    expect(await interrupted.outcome).toMatchObject({ state: 'cancelled', cause: 'interrupted' })
    await holder.end()
    expect(await next.result).toBe('next')

    const last = await supervisor.begin({ session: 'a' })
    const closed = start('b')
    await held(supervisor, 2)
    await Promise.all([supervisor.close(), last.end()])
    expect(await closed.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown' })
    expect(called).toEqual([])
  })

  test('P8: more than may wait, for a session or for a place, are refused as queue_full', async ({
    scene,
  }) => {
    const budget = { runs: 1, waiting: 2 }
    const supervisor = await openSupervisor({ state: scene.state, budget })
    const holder = await supervisor.begin({ session: 'a' })
    const forSession = supervisor.start({ session: 'a' }, () => 'ran')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    const forPlace = supervisor.start({ session: 'b' }, () => 'ran')
    await held(supervisor, 2)
    for (const session of ['a', 'c']) {
      const refused = supervisor.start({ session }, () => expect.fail('ran'))
      await expect(refused.result).rejects.toMatchObject({ code: 'queue_full' })
      expect(await refused.outcome).toMatchObject({ state: 'refused', cause: 'queue_full', session })
      expect((await supervisor.show(refused.id))?.outcome).toEqual(await refused.outcome)
    }
    // A message for a run that goes on takes no room.
    const message = { session: 'a', request: { id: 'm' }, ifBusy: 'deliver' } as const
    const delivered = supervisor.start(message, () => expect.fail('ran'))
    expect(await delivered.accepted).toEqual({ state: 'delivered', run: holder.id })
    // A subagent waits for no place, but for a session as others do.
    await holder.subagent({ session: 's' }, async () => {
      const late = holder.subagent({ session: 's' }, () => expect.fail('ran'))
      await expect(late).rejects.toMatchObject({ code: 'queue_full' })
    })
    // Both who waited are admitted, whatever was refused.
    for (const { done } of await holder.inbox.drain()) await done()
    await holder.end()
    expect(await Promise.all([forSession.result, forPlace.result])).toEqual(['ran', 'ran'])
    expect(await supervisor.run({ session: 'c' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })
})

describe('P7: a family of runs has bounds', () => {
  test('a subagent too deep, or one too many, is refused at once and says which limit', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, subagents: { depth: 1, atOnce: 1 } })
    await supervisor.run({ session: 'top' }, async (top) => {
      await top.subagent({ session: 'x' }, async (sub) => {
        await expect(sub.subagent({ session: 'y' }, () => 'ran')).rejects.toMatchObject({
          code: 'subagent_limit',
          limit: { name: 'depth', most: 1, count: 1 },
        })
        await expect(top.subagent({}, () => 'ran')).rejects.toMatchObject({
          code: 'subagent_limit',
          limit: { name: 'atOnce', most: 1, count: 1 },
        })
      })
      expect(await top.subagent({ session: 'x' }, () => 'ran')).toBe('ran')
      // A command that is a supervisor of its own is held to the same.
      const nested = ['run', '--session', 'z', '--', process.execPath, scene.command, 'run', '--', 'true']
      const { stderr, exit } = await top.exec(process.execPath, [scene.command, ...nested], {
        env: scene.env,
      })
      expect(stderr).toContain('no deeper than 1')
      expect(exit.code).toBe(75)
    })
    await supervisor.close()
  })
})

describe('options that are none are refused by name', () => {
  test.for([
    [{ budget: { runs: 0 } }, 'budget.runs: 0'],
    [{ budget: { trees: 1.5 } }, 'budget.trees: 1.5'],
    [{ budget: { waiters: 1 } }, 'no option waiters'],
    [{ subagents: { depth: -1 } }, 'subagents.depth: -1'],
    [{ sessionBudget: { trees: 0 } }, 'sessionBudget.trees: 0'],
    [{ sessionBudget: { limits: { output: 1 } } }, 'no option output'],
    [{ breaker: { failures: 0 } }, 'breaker.failures: 0'],
    [{ breaker: { cooldown: 'Infinity' } }, 'breaker.cooldown'],
    [{ breaker: { counts: ['cancelled'] } }, 'breaker.counts: cancelled'],
  ] as const)('%j', async ([options, message], { scene }) => {
    await expect(openSupervisor({ state: scene.state, ...options } as never)).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    })
  })
})
