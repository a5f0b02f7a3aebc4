import { describe, expect, it } from 'vitest'
import type { PendingRequest } from '#src/store/request-contract.js'
import { codeOf, noon, type OpenStore, Scene, stop, ttl } from './scene.ts'

export function exerciseRequests(open: OpenStore): void {
  const request = (id: string, payload: string | null = `"${id}"`) => ({ request: { id, payload } })

  async function pendingIds(scene: Scene, filter = {}): Promise<string[]> {
    return (await scene.store.pending(filter)).map(({ id }) => id)
  }

  /** The supervisor of a run dies, and another takes it over. */
  async function lose(scene: Scene, run: string): Promise<void> {
    const seen = await scene.store.run(run)
    if (seen === null) throw new Error('not stored')
    const hold = await scene.store.takeOverIfUnchanged(seen, 'other', noon + ttl)
    if (hold !== null && hold.fence > 0) await scene.finish(hold, { cause: 'lost', begun: null })
  }

  async function withOther(): Promise<Scene> {
    const scene = await Scene.of(open)
    await scene.supervisor('other')
    return scene
  }

  describe('P8: a request is one per session', () => {
    it('answers with the run that has it, live and ended, and writes no other down', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k', request('q'))
      expect(await scene.admit('b', 'k', request('q'))).toMatchObject({
        state: 'existing',
        run: { id: 'a', state: 'running', outcome: null },
      })
      const { outcome } = await scene.finish(hold)
      expect(await scene.admit('b', 'k', request('q'))).toMatchObject({
        state: 'existing',
        run: { id: 'a', outcome },
      })
      expect(await scene.store.run('b')).toBeNull()
    })

    it('is another one in another session, and in none', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k', request('q'))
      await scene.hold('b', 'l', request('q'))
      const none = await scene.hold('c', null, request('q'))
      expect(await scene.admit('d', null, request('q'))).toMatchObject({
        state: 'existing',
        run: { id: 'c' },
      })
      await scene.finish(none)
      expect(await scene.store.request(null, 'q')).toMatchObject({
        state: 'open',
        run: { id: 'c' },
        tries: 1,
      })
    })

    it('is one of two at the same time, from two processes', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, at) =>
          at % 2 === 0
            ? scene.admit(`r${at}`, 'k', request('q'))
            : other.admit(`r${at}`, 'k', { ...request('q'), supervisor: 's2' }),
        ),
      )
      expect(answers.filter(({ state }) => state === 'running')).toHaveLength(1)
      expect(answers.filter(({ state }) => state === 'existing')).toHaveLength(39)
    })

    it('keeps its first payload, which comes back with the admission, also the repeated one', async () => {
      const scene = await withOther()
      await scene.hold('a', 'k', request('q', '{"first":1}'))
      await lose(scene, 'a')
      const again = { state: 'running', request: { payload: '{"first":1}', tries: 2 } }
      expect(await scene.admit('b', 'k', request('q', null))).toMatchObject(again)
      expect(await scene.admit('b', 'k', request('q', null))).toMatchObject(again)
      expect(await scene.admit('w', 'k', request('v', '[2]'))).toMatchObject({
        state: 'waiting',
        request: { payload: '[2]', tries: 0 },
      })
    })

    it('without a payload of its own has null', async () => {
      const scene = await Scene.of(open)
      expect(await scene.admit('a', 'k', request('q', null))).toMatchObject({ request: { payload: 'null' } })
    })
  })

  describe('P8: a request is pending until a run has come to an end with it', () => {
    it('is pending where its run was lost, with its tries, and not where that ended otherwise', async () => {
      const scene = await withOther()
      for (const cause of ['returned', 'threw', 'cancelled', 'timed_out', 'stalled', 'shutdown'] as const)
        await scene.finish(await scene.hold(cause, 'k', request(cause)), { cause })
      expect(await pendingIds(scene)).toEqual([])
      await scene.hold('a', 'k', request('q', '{"x":1}'))
      await lose(scene, 'a')
      const pending: PendingRequest[] = await scene.store.pending({})
      expect(pending).toEqual([
        {
          position: expect.any(String),
          session: 'k',
          id: 'q',
          payload: '{"x":1}',
          tries: 1,
          maxTries: 3,
          run: 'a',
          at: noon,
        },
      ])
      await scene.hold('b', 'k', request('q'))
      expect(await pendingIds(scene)).toEqual([])
    })

    it.each(['shutdown', 'lost'] as const)(
      'is pending where its run ended as it waited, for %s: that was no try',
      async (cause) => {
        const scene = await Scene.of(open)
        await scene.hold('a', 'k')
        await scene.admit('w', 'k', request('q'))
        await scene.store.endIfWaiting('w', cause, null, noon)
        expect(await scene.store.pending({})).toMatchObject([{ id: 'q', tries: 0 }])
      },
    )

    it('is pending where its waiting run was lost with its supervisor', async () => {
      const scene = await withOther()
      await scene.hold('a', 'k')
      await scene.admit('w', 'k', request('q'))
      await lose(scene, 'w')
      expect(await scene.store.pending({})).toMatchObject([{ id: 'q', tries: 0, run: 'w' }])
    })

    it('is over where somebody cancelled it as it waited', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.admit('w', 'k', request('q'))
      await scene.store.requestCancel('w', stop(), noon)
      expect(await pendingIds(scene)).toEqual([])
      expect(await scene.admit('v', 'k', request('q'))).toMatchObject({
        state: 'existing',
        run: { id: 'w', state: 'cancelled' },
      })
    })

    it('that was refused may be brought again, and is not pending; a pending one stays so', async () => {
      const scene = await withOther()
      await scene.hold('a', 'k')
      const full = { ...request('q'), maxWaiters: 0 }
      expect(await scene.admit('b', 'k', full)).toMatchObject({ state: 'refused' })
      expect(await pendingIds(scene)).toEqual([])
      expect(await scene.admit('c', 'k', request('q'))).toMatchObject({ state: 'waiting' })
      await scene.store.endIfWaiting('c', 'shutdown', null, noon)
      expect(await scene.admit('d', 'k', full)).toMatchObject({ state: 'refused' })
      expect(await pendingIds(scene)).toEqual(['q'])
    })

    it('counts a try of a waiter when it begins, once, and takes back one that never began', async () => {
      const scene = await Scene.of(open)
      const holder = await scene.hold('a', 'k')
      await scene.admit('w', 'k', request('q'))
      const { admitted } = await scene.finish(holder)
      if (admitted === null) throw new Error('not admitted')
      expect(await scene.store.request('k', 'q')).toMatchObject({ tries: 0 })
      expect(await scene.store.begun(admitted)).toBe(1)
      expect(await scene.store.begun(admitted)).toBe(1)
      await scene.finish(admitted, { cause: 'shutdown', begun: false })
      expect(await scene.store.pending({})).toMatchObject([{ id: 'q', tries: 0 }])
      await scene.finish(await scene.hold('b', 'k', { ...request('q'), begins: false }))
      expect(await codeOf(scene.store.begun(admitted))).toBe('run_ended')
    })

    it('that was tried as often as it may be is refused as exhausted, and that is its end', async () => {
      const scene = await withOther()
      for (const run of ['a', 'b']) {
        await scene.hold(run, 'k', { ...request('q'), maxTries: 2 })
        await lose(scene, run)
      }
      const refused = await scene.admit('c', 'k', { ...request('q'), maxTries: 2 })
      expect(refused).toMatchObject({ state: 'refused', tries: 2, outcome: { cause: 'request_exhausted' } })
      expect(await pendingIds(scene)).toEqual([])
      expect(await scene.admit('d', 'k', request('q'))).toMatchObject({
        state: 'existing',
        run: { id: 'c', outcome: { cause: 'request_exhausted' } },
      })
    })

    it('lists them in the order in which they came, by page and by session', async () => {
      const scene = await withOther()
      for (const [at, session] of ['k', 'l', 'k', 'l'].entries()) {
        await scene.hold(`r${at}`, session, request(`q${at}`))
        await lose(scene, `r${at}`)
      }
      expect(await pendingIds(scene)).toEqual(['q0', 'q1', 'q2', 'q3'])
      expect(await pendingIds(scene, { session: 'l' })).toEqual(['q1', 'q3'])
      const [, second] = await scene.store.pending({ limit: 2 })
      expect(await pendingIds(scene, { after: second?.position })).toEqual(['q2', 'q3'])
      expect(await pendingIds(scene, { session: 'nobody' })).toEqual([])
    })
  })
}
