import { type Outcome, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { test } from '../support/scene.ts'

describe('a session that is held', () => {
  test('ifBusy interrupt: the holder ends as interrupted, and the run is the next, before those that wait', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const order: string[] = []
    const launched = Promise.withResolvers<void>()
    const holder = supervisor.start({ session: 'k' }, async (run) => {
      for await (const _ of run.exec('sh', ['-c', 'echo ready; exec sleep 600'])) launched.resolve()
    })
    await launched.promise
    const waits = supervisor.run({ session: 'k' }, () => order.push('waited'))
    await supervisor.run({ session: 'k', ifBusy: 'interrupt' }, () => order.push('interrupted'))
    await waits
    expect(order).toEqual(['interrupted', 'waited'])
    expect(await holder.outcome).toMatchObject({ state: 'cancelled', cause: 'interrupted', forced: false })
    await expect(holder.result).rejects.toMatchObject({ code: 'run_cancelled', name: 'AbortError' })
    await supervisor.close()
  })

  test('ifBusy interrupt: also where the holder is another process’s, which is told at once', async ({
    scene,
  }) => {
    const host = scene.host('host-holds-a-session.mjs', ['k'])
    const run = await host.lines.after('ready ')
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'k', ifBusy: 'interrupt' }, () => {})
    expect((await supervisor.show(run))?.outcome).toMatchObject({ state: 'cancelled', cause: 'interrupted' })
    await supervisor.close()
  })

  test('P8: a full queue refuses with who holds it, since when, and how many wait', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, sessionBudget: { waiting: 1 } })
    const holder = await supervisor.begin({ session: 'k' })
    const waiter = supervisor.start({ session: 'k' }, () => 'ran')
    const outcomes: Outcome[] = []
    const refused = supervisor.start({ session: 'k' }, () => {
      throw new Error('ran')
    })
    await expect(refused.result).rejects.toMatchObject({
      code: 'queue_full',
      holder: holder.id,
      since: expect.stringMatching(/^\d{4}-/),
      supervisor: expect.any(String),
      queueLength: 1,
    })
    outcomes.push(await refused.outcome)
    expect(outcomes).toMatchObject([{ state: 'refused', cause: 'queue_full', run: refused.id }])
    expect((await supervisor.show(refused.id))?.outcome).toEqual(outcomes[0])
    await holder.end()
    expect(await waiter.result).toBe('ran')
    await supervisor.close()
  })

  test('case 27: a subagent for the session of an ancestor is refused at once, and names the ring', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'k' }, async (run) => {
      const error = await run.subagent({ session: 'k' }, () => 'ran').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'deadlock', ring: [expect.any(String), run.id], holder: run.id })
      const deep = run.subagent({ session: 'l' }, (sub) => sub.subagent({ session: 'k' }, () => 'ran'))
      await expect(deep).rejects.toMatchObject({ code: 'deadlock' })
      expect(await run.subagent({ session: 'l' }, () => 'ran')).toBe('ran')
    })
    await supervisor.close()
  })

  test('case 27: a ring of subagents over two sessions is broken where it closes', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const both = { k: Promise.withResolvers<void>(), l: Promise.withResolvers<void>() }
    const run = (own: 'k' | 'l', other: 'k' | 'l') =>
      supervisor.run({ session: own }, async (run) => {
        both[own].resolve()
        await both[other].promise
        return run.subagent({ session: other }, () => 'ran').catch((error: { code: string }) => error.code)
      })
    const ends = await Promise.all([run('k', 'l'), run('l', 'k')])
    expect(ends.sort()).toEqual(['deadlock', 'ran'])
    await supervisor.close()
  })
})
