import { describe, expect, it } from 'vitest'
import { admission, codeOf, noon, type OpenStore, Scene, stop, tree } from './scene.ts'

/** Runs that are not to wait as the others do: refused at once, or before all others. */
export function exerciseRefusals(open: OpenStore): void {
  describe('P8: a queue has an end', () => {
    it('refuses one more than may wait, says who holds the session, and stores that', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      for (const run of ['b', 'c']) {
        expect(await scene.admit(run, 'k', { maxWaiters: 2 })).toMatchObject({ state: 'waiting' })
      }
      const refused = await scene.admit('d', 'k', { maxWaiters: 2 })
      expect(refused).toMatchObject({
        state: 'refused',
        holder: { id: 'a' },
        queueLength: 2,
        outcome: { run: 'd', state: 'refused', cause: 'queue_full', fence: null },
      })
      expect(await scene.stateOf('d')).toBe('refused')
      expect(await scene.admit('e', 'l', { maxWaiters: 0 }), 'a free session has no queue').toMatchObject({
        state: 'running',
      })
      expect(await scene.store.sessions()).toMatchObject([{ waiting: 2 }, { waiting: 0 }])
    })
  })

  describe('P8: so have the queues of a supervisor all together', () => {
    it('refuses one more than may wait, whatever its session, and nobody else’s', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      for (const session of ['k', 'l', 'm']) await scene.hold(`holds-${session}`, session)
      await other.admit('theirs', 'k', { supervisor: 's2' })
      for (const [run, session] of [
        ['a', 'k'],
        ['b', 'l'],
      ] as const)
        expect(await scene.admit(run, session, { mostWaiting: 2 })).toMatchObject({ state: 'waiting' })
      expect(await scene.admit('c', 'm', { mostWaiting: 2 })).toMatchObject({
        state: 'refused',
        holder: { id: 'holds-m' },
        queueLength: 0,
        outcome: { cause: 'queue_full', message: expect.stringContaining('of its supervisor') },
      })
      expect(await scene.admit('d', 'n', { mostWaiting: 0 }), 'a free session').toMatchObject({
        state: 'running',
      })
      expect(await other.admit('e', 'm', { supervisor: 's2', mostWaiting: 2 })).toMatchObject({
        state: 'waiting',
      })
    })

    it('writes down whom a supervisor has no room for, once, with its request', async () => {
      const scene = await Scene.of(open)
      const asked = admission('a', 'new', { request: { id: 'q', payload: '{}' }, priority: 'background' })
      for (const _ of ['once', 'again']) {
        const refused = await scene.store.refuse(asked, 'queue_full', 'no room')
        expect(refused).toMatchObject({
          state: 'refused',
          holder: null,
          queueLength: 0,
          outcome: { session: 'new', request: 'q', cause: 'queue_full', message: 'no room', fence: null },
        })
      }
      expect(await scene.store.runs({ session: 'new' })).toHaveLength(1)
      expect(await codeOf(scene.store.admit(asked))).toBe('run_ended')
      await scene.hold('b', 'new')
      const again = { id: 'm', payload: '{}' }
      const message = admission('d', 'new', { request: again, delivers: true })
      const twice = admission('e', 'new', { request: again })
      for (const asked of [message, twice]) {
        const answer = await scene.store.refuse(asked, 'queue_full', 'no room')
        expect(answer, 'whom another run serves needs no room').toMatchObject({
          state: 'delivered',
          run: { id: 'b' },
        })
      }
      expect(
        await codeOf(scene.store.refuse(admission('c', 'k', { supervisor: 'nobody' }), 'queue_full', '')),
      ).toBe('supervisor_closed')
    })
  })

  describe('a run that interrupts', () => {
    it('stops the holder as interrupted and is the next, before those that wait', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      const queued = await scene.admit('c', 'k', { interrupts: true })
      expect(queued).toMatchObject({
        state: 'waiting',
        holder: { id: 'a', state: 'stopping', stop: { cause: 'interrupted', message: 'by run c' } },
      })
      await scene.admit('d', 'k', { interrupts: true })
      const { outcome, admitted } = await scene.finish(hold)
      expect(outcome).toMatchObject({ state: 'cancelled', cause: 'interrupted' })
      expect(admitted).toMatchObject({ run: 'c' })
      const next = await scene.finish({ run: 'c', supervisor: 's1', fence: 2 })
      expect(next.admitted).toMatchObject({ run: 'd' })
    })

    it('P5: changes nothing of a holder that stops already', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.markStopping(hold, stop({ cause: 'timed_out' }), noon)
      await scene.admit('b', 'k', { interrupts: true })
      expect((await scene.finish(hold)).outcome).toMatchObject({ state: 'timed_out' })
    })

    it('has a free session as any other', async () => {
      const scene = await Scene.of(open)
      expect(await scene.admit('a', 'k', { interrupts: true })).toMatchObject({ state: 'running', fence: 1 })
    })
  })

  describe('case 27: waits that nothing would end', () => {
    it('refuses a subagent for the session of its parent, or of any ancestor, and names it', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.hold('b', 'l', { parent: 'a' })
      await scene.hold('c', null, { parent: 'b' })
      for (const [run, parent] of [
        ['d', 'a'],
        ['e', 'c'],
      ] as const) {
        expect(await scene.admit(run, 'k', { parent })).toMatchObject({
          state: 'refused',
          ring: [run, 'a'],
          outcome: { cause: 'deadlock', message: expect.stringContaining(`${run} waits for k, held by a`) },
        })
      }
    })

    it('refuses whoever closes a ring over several sessions and processes', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      await scene.hold('a', 'k')
      await other.hold('b', 'l', { supervisor: 's2' })
      await scene.hold('c', 'm')
      // a → its subagent's subagent waits for l, held by b → its subagent waits for m, held by c.
      await scene.hold('a1', null, { parent: 'a' })
      await scene.admit('a2', 'l', { parent: 'a1' })
      await other.admit('b1', 'm', { parent: 'b', supervisor: 's2' })
      expect(await scene.admit('c1', 'k', { parent: 'c' })).toMatchObject({
        state: 'refused',
        ring: ['c1', 'a', 'b', 'c'],
        outcome: { cause: 'deadlock' },
      })
    })

    it('lets wait whatever an ordinary end will admit', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.hold('b', 'l')
      // b's subagent waits for a, which waits for nobody; a run without a parent is waited for by nobody.
      for (const [run, session, parent] of [
        ['b1', 'k', 'b'],
        ['c', 'l', null],
        ['d', 'k', null],
      ] as const) {
        expect(await scene.admit(run, session, { parent })).toMatchObject({ state: 'waiting' })
      }
      // Neither does a subagent that has ended.
      await scene.store.endIfWaiting('b1', 'busy', null, noon)
      expect(await scene.admit('a1', 'l', { parent: 'a' })).toMatchObject({ state: 'waiting' })
    })
  })

  describe('a run that is taken by force', () => {
    it('P6: is its taker’s from then on, whatever its owner renews', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.treeLaunched(hold, tree('t'))
      await scene.store.requestCancel('a', stop(), noon)
      await scene.supervisor('s2')
      await scene.store.renew('s1', noon + 1_000, null)
      const claim = await scene.store.takeOverByForce('a', 's2', noon)
      expect(claim).toEqual({ run: 'a', supervisor: 's2', fence: 2 })
      expect(await scene.store.takeOverByForce('a', 's2', noon), 'the same claim again').toEqual(claim)
      expect(await codeOf(scene.append(hold, 0, 'late'))).toBe('run_lost')
      if (claim === null) return
      const { outcome } = await scene.finish(claim, { cause: 'lost' })
      expect(outcome).toMatchObject({ state: 'cancelled', message: 'the user left' })
      expect(await scene.store.takeOverByForce('a', 's2', noon), 'it has ended').toBeNull()
    })

    it('is not one that waits', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      await scene.supervisor('s2')
      expect(await scene.store.takeOverByForce('b', 's2', noon)).toBeNull()
    })
  })
}
