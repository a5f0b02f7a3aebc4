import { type Ending, openSupervisor, type Run, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { test } from '../support/scene.ts'

const message = (id: string) =>
  ({ session: 'k', request: { id, payload: { text: id } }, ifBusy: 'deliver' }) as const

/** A run that holds the session until it is let go or ends, and what it makes of its inbox. */
function hold(supervisor: Supervisor, work: (run: Run) => Promise<unknown>) {
  const begun = Promise.withResolvers<void>()
  const handle = supervisor.start({ session: 'k' }, async (run) => {
    begun.resolve()
    return work(run)
  })
  return { handle, begun: begun.promise }
}

const never = (run: Run) =>
  new Promise<never>((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)))

describe('P8: ifBusy deliver', () => {
  test('of three messages two are drained, the run is cancelled: the third and the unfinished one are the next run’s, in order', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const drained = Promise.withResolvers<void>()
    const three = Promise.withResolvers<void>()
    const { handle, begun } = hold(supervisor, async (run) => {
      await three.promise
      const [first] = await run.inbox.drain()
      await first?.done()
      drained.resolve()
      await never(run)
    })
    await begun
    const first = supervisor.start(message('m1'), () => 'own')
    const second = supervisor.start(message('m2'), () => 'own')
    expect(await Promise.all([first.accepted, second.accepted])).toEqual([
      { state: 'delivered', run: handle.id },
      { state: 'delivered', run: handle.id },
    ])
    three.resolve()
    await drained.promise
    const third = supervisor.start(message('m3'), () => 'own')
    await third.accepted
    const next = supervisor.start({ session: 'k', request: { id: 'next' } }, async ({ inbox }) =>
      (await inbox.drain()).map(({ id, payload, tries }) => ({ id, payload, tries })),
    )
    expect((await next.accepted).state).toBe('waiting')
    await handle.cancel()
    expect(await next.result).toEqual([
      { id: 'm2', payload: { text: 'm2' }, tries: 2 },
      { id: 'm3', payload: { text: 'm3' }, tries: 1 },
    ])
    expect(await first.outcome).toMatchObject({ run: handle.id, state: 'cancelled' })
    expect(await second.outcome).toMatchObject({ run: next.id, state: 'succeeded' })
    expect(await third.result).toBeUndefined()
    expect(await supervisor.pending()).toEqual([])
    await supervisor.close()
  })

  test('a message is iterated as it comes; it is through when the loop comes back, and left over where that is left', async ({
    scene,
  }) => {
    const told: Ending[] = []
    const supervisor = await openSupervisor({ state: scene.state, onEnding: (ending) => told.push(ending) })
    const heard: string[] = []
    let news = Promise.withResolvers<void>()
    const { handle, begun } = hold(supervisor, async (run) => {
      for await (const { id } of run.inbox) {
        heard.push(id)
        news.resolve()
        if (id === 'last') break
      }
    })
    await begun
    const handles = []
    for (const id of ['m1', 'm2', 'last']) {
      news = Promise.withResolvers()
      handles.push(supervisor.start(message(id), () => 'own'))
      await news.promise
    }
    await handle.result
    expect(heard).toEqual(['m1', 'm2', 'last'])
    expect(
      (await Promise.all(handles.map(({ outcome }) => outcome))).map(({ state, run }) => [state, run]),
    ).toEqual([
      ['succeeded', handle.id],
      ['succeeded', handle.id],
      ['lost', handle.id],
    ])
    await expect(handles[2]?.result).rejects.toMatchObject({
      code: 'run_lost',
      message: expect.stringContaining('left request last: it is pending'),
    })
    expect(await supervisor.pending()).toMatchObject([{ request: { id: 'last' }, tries: 1, run: handle.id }])
    await supervisor.close()
    expect(told.map(({ outcome, messages }) => [outcome.run, messages.map(({ id }) => id)])).toEqual([
      [handle.id, ['m1', 'm2']],
    ])
  })

  test('what drain gave is through when the callback returns, and not when it throws', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    for (const throws of [true, false]) {
      const given = Promise.withResolvers<void>()
      const { handle, begun } = hold(supervisor, async ({ inbox }) => {
        await given.promise
        await inbox.drain()
        if (throws) throw new Error('no')
      })
      await begun
      const delivered = supervisor.start(message('m'), () => 'own')
      expect((await delivered.accepted).state).toBe('delivered')
      given.resolve()
      await handle.result.catch(() => {})
      expect((await supervisor.pending()).map(({ request }) => request.id)).toEqual(throws ? ['m'] : [])
      expect((await delivered.outcome).state).toBe(throws ? 'lost' : 'succeeded')
    }
    await supervisor.close()
  })

  test('a run that looks at no inbox leaves it; one that is ending takes no more', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const { handle, begun } = hold(supervisor, async (run) => {
      await never(run).catch(() => {})
      const refused = await run.inbox.drain().catch((error: { code: string }) => error.code)
      const taken = []
      for await (const { id } of run.inbox) taken.push(id)
      return [refused, taken]
    })
    await begun
    await supervisor.start(message('m'), () => 'own').accepted
    await handle.cancel()
    await expect(handle.result).rejects.toMatchObject({ code: 'run_cancelled' })
    expect(await supervisor.pending()).toMatchObject([{ request: { id: 'm' }, tries: 0 }])
    await supervisor.close()
  })

  test('runs by itself where nobody has the session', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await supervisor.run(message('m'), ({ request }) => request)).toMatchObject({ id: 'm' })
    await supervisor.close()
  })

  test('reaches the run of another process, and its outcome comes back', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const heard = Promise.withResolvers<string>()
    const { handle, begun } = hold(supervisor, async (run) => {
      for await (const { id, done } of run.inbox) {
        await done()
        heard.resolve(id)
        return
      }
    })
    await begun
    const host = scene.host('host-with-requests.mjs', ['k', 'far'], { env: { DELIVER: '1' }, stdin: 'pipe' })
    expect(await host.lines.after('accepted far ')).toBe('delivered')
    expect(await heard.promise).toBe('far')
    await handle.result
    expect(await host.lines.after('ended far ')).toBe('succeeded')
    host.child.stdin?.write('close\n')
    await host.exited
    await supervisor.close()
  })

  test('what a killed gateway’s run had in its inbox is pending', async ({ scene }) => {
    const host = scene.host('host-with-requests.mjs', ['k', 'holds'], { env: { ENDINGS: 'none' } })
    await host.lines.after('begun holds')
    const supervisor = await openSupervisor({ state: scene.state })
    const delivered = supervisor.start(message('m'), () => 'own')
    expect((await delivered.accepted).state).toBe('delivered')
    host.child.kill('SIGKILL')
    await host.died
    expect(await delivered.outcome).toMatchObject({ state: 'lost' })
    expect((await supervisor.pending()).map(({ request }) => request.id)).toEqual(['holds', 'm'])
    expect(await supervisor.run({ session: 'k', request: { id: 'm' } }, ({ request }) => request)).toEqual({
      id: 'm',
      payload: { text: 'm' },
      tries: 1,
    })
    await supervisor.close()
  })
})
