import { describe, expect, it } from 'vitest'
import type { Hold } from '#src/store/records.js'
import { codeOf, noon, type OpenStore, Scene, stop, ttl } from './scene.ts'

export function exerciseInbox(open: OpenStore): void {
  const message = (id: string) => ({ request: { id, payload: `"${id}"` }, delivers: true })

  async function deliver(scene: Scene, ...ids: string[]): Promise<void> {
    for (const id of ids)
      expect(await scene.admit(`of ${id}`, 'k', message(id))).toMatchObject({ state: 'delivered' })
  }

  async function take(scene: Scene, hold: Hold, most: number, have = 0): Promise<string[]> {
    return (await scene.store.messages(hold, { done: [], have, take: most })).map(({ id }) => id)
  }

  const pending = async (scene: Scene) => (await scene.store.pending({})).map(({ id }) => id)

  describe('P8: a request that is handed to the run that holds its session', () => {
    it('is in its inbox, in order, and no run of its own; the same again is the same message', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'm1', 'm2')
      expect(await scene.admit('again', 'k', message('m1'))).toMatchObject({
        state: 'delivered',
        run: { id: 'a', inbox: true },
      })
      expect(await scene.store.run('of m1')).toBeNull()
      expect(await scene.store.messages(hold, { done: [], have: 0, take: 10 })).toEqual([
        { id: 'm1', payload: '"m1"', tries: 1 },
        { id: 'm2', payload: '"m2"', tries: 1 },
      ])
      expect(await take(scene, hold, 10, 2)).toEqual([])
    })

    it('is refused where as many are there as may wait', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const few = (id: string) => ({ ...message(id), maxWaiters: 2 })
      for (const id of ['m1', 'm2']) await scene.admit(`of ${id}`, 'k', few(id))
      const refused = await scene.admit('of m3', 'k', few('m3'))
      expect(refused).toMatchObject({
        state: 'refused',
        outcome: { cause: 'queue_full' },
        holder: { id: 'a' },
      })
      await take(scene, hold, 1)
      expect(await scene.admit('again', 'k', few('m3'))).toMatchObject({ state: 'refused' })
      await scene.store.messages(hold, { done: ['m1'], have: 1, take: 0 })
      expect(await scene.admit('and again', 'k', few('m3'))).toMatchObject({ state: 'delivered' })
    })

    it('runs by itself where the session is free, and waits where its holder is about to end', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k', message('first'))
      await scene.store.markStopping(hold, stop(), noon)
      expect(await scene.admit('b', 'k', message('second'))).toMatchObject({ state: 'waiting' })
    })

    it('is told again to the same question: an answer may get lost', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'm1', 'm2')
      expect(await take(scene, hold, 1)).toEqual(['m1'])
      expect(await take(scene, hold, 1)).toEqual(['m1'])
      expect(await take(scene, hold, 1, 1)).toEqual(['m2'])
      expect(await scene.store.request('k', 'm1')).toMatchObject({ state: 'inbox', tries: 1 })
    })

    it('ends with the run that it is through with, and is pending where it is not', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'done', 'through', 'taken', 'untaken')
      await take(scene, hold, 3)
      await scene.store.messages(hold, { done: ['done'], have: 3, take: 0 })
      const { outcome } = await scene.finish(hold, { through: ['through', 'untaken'] })
      expect(await pending(scene)).toEqual(['taken', 'untaken'])
      for (const id of ['done', 'through'])
        expect(await scene.admit('again', 'k', message(id))).toMatchObject({
          state: 'existing',
          run: { outcome },
        })
      expect(await scene.store.pending({})).toMatchObject([
        { id: 'taken', tries: 1, run: 'a' },
        { id: 'untaken', tries: 0 },
      ])
    })

    it('is not through where the callback did not return, whatever it took', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'm')
      await take(scene, hold, 1)
      await scene.finish(hold, { cause: 'threw', through: ['m'] })
      expect(await pending(scene)).toEqual(['m'])
    })

    it('that is left over is the next run’s, in the order in which it came, before later ones', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'm1', 'm2', 'm3')
      await scene.admit('next', 'k')
      await take(scene, hold, 2)
      await scene.store.messages(hold, { done: ['m1'], have: 2, take: 0 })
      const { admitted } = await scene.finish(hold, { cause: 'cancelled' })
      if (admitted === null) throw new Error('nobody is next')
      await deliver(scene, 'm4')
      expect(await pending(scene)).toEqual([])
      expect(await take(scene, admitted, 10)).toEqual(['m2', 'm3', 'm4'])
      expect(await scene.store.request('k', 'm2')).toMatchObject({ tries: 2, run: { id: 'next' } })
    })

    it('is pending where its run is lost, and refused as exhausted when it was tried too often', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('other')
      for (const [at, run] of ['a', 'b', 'c'].entries()) {
        const hold = await scene.hold(run, 'k')
        expect(await scene.admit(`of ${run}`, 'k', message('m'))).toMatchObject({ state: 'delivered' })
        await take(scene, hold, 1)
        const seen = await scene.store.run(run)
        if (seen === null) throw new Error('not stored')
        const claimed = await scene.store.takeOverIfUnchanged(seen, 'other', noon + ttl)
        if (claimed === null) throw new Error('not claimed')
        await scene.finish(claimed, { cause: 'lost', begun: null })
        expect(await scene.store.pending({})).toMatchObject([{ id: 'm', tries: at + 1 }])
      }
      await scene.hold('d', 'k')
      expect(await scene.admit('of d', 'k', message('m'))).toMatchObject({
        state: 'refused',
        outcome: { cause: 'request_exhausted' },
      })
    })

    it('that was tried as often as it may be is not handed to the next run', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.admit('of m', 'k', { ...message('m'), maxTries: 1 })
      await scene.admit('next', 'k')
      await take(scene, hold, 1)
      const { admitted } = await scene.finish(hold, { cause: 'cancelled' })
      if (admitted === null) throw new Error('nobody is next')
      expect(await take(scene, admitted, 1)).toEqual([])
      expect(await pending(scene)).toEqual(['m'])
    })

    it('P6: is taken by nobody but the holder', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await deliver(scene, 'm')
      expect(await codeOf(take(scene, { ...hold, fence: 9 }, 1))).toBe('run_lost')
      await scene.finish(hold)
      expect(await codeOf(take(scene, hold, 1))).toBe('run_ended')
      expect(await pending(scene)).toEqual(['m'])
    })
  })
}
