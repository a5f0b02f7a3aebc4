import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admission, codeOf, noon, type OpenStore, Scene, ttl } from './scene.ts'

export function exerciseAdmission(open: OpenStore): void {
  describe('P1: one live run holds a session', () => {
    it('admits the first run and queues the second, which is told who holds the session', async () => {
      const scene = await Scene.of(open)
      expect(await scene.admit('a', 'k')).toEqual({ state: 'running', fence: 1, at: noon })
      const queued = await scene.admit('b', 'k')
      expect(queued).toMatchObject({
        state: 'waiting',
        queueLength: 1,
        holder: { id: 'a', state: 'running' },
      })
      expect(await scene.admit('c', 'k')).toMatchObject({ state: 'waiting', queueLength: 2 })
    })

    it('admits one of many that ask at the same time, from two processes', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, at) =>
          at % 2 === 0 ? scene.admit(`a${at}`, 'k') : other.admit(`b${at}`, 'k', { supervisor: 's2' }),
        ),
      )
      expect(answers.filter(({ state }) => state === 'running')).toHaveLength(1)
      expect(await scene.store.sessions()).toMatchObject([{ session: 'k', fence: 1, waiting: 39 }])
    })

    it('lets different sessions, and runs without one, pass each other', async () => {
      const scene = await Scene.of(open)
      const answers = await Promise.all([
        scene.admit('a', 'k'),
        scene.admit('b', 'l'),
        scene.admit('c', null),
        scene.admit('d', null),
      ])
      expect(answers.map(({ state }) => state)).toEqual(['running', 'running', 'running', 'running'])
    })

    it('gives each acquisition of a session a greater fence', async () => {
      const scene = await Scene.of(open)
      const fences = []
      for (const run of ['a', 'b', 'c']) {
        const hold = await scene.hold(run, 'k')
        fences.push(hold.fence)
        await scene.finish(hold)
      }
      expect(fences).toEqual([1, 2, 3])
    })

    it('holds to one live run and growing fences whatever the order of steps', async () => {
      const step = fc.record({
        session: fc.constantFrom('k', 'l'),
        step: fc.constantFrom('admit', 'finish', 'cancel'),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const scene = await Scene.of(open)
          const fences = new Map<string, number>()
          for (const [at, { session, step: what }] of steps.entries()) {
            const holder = await scene.store.holder(session)
            if (what === 'admit') await scene.admit(`r${at}`, session)
            else if (holder?.fence != null) {
              const hold = { run: holder.id, supervisor: 's1', fence: holder.fence }
              if (what === 'finish') await scene.finish(hold)
              else
                await scene.store.requestCancel(
                  hold.run,
                  { cause: 'cancelled', message: null, grace: null },
                  noon,
                )
            }
            const live = (await scene.store.runs({ session, state: 'live' })).filter(
              (run) => run.state !== 'waiting',
            )
            expect(live.length).toBeLessThanOrEqual(1)
            for (const { id, fence } of live) {
              const before = fences.get(session) ?? 0
              expect(fence).toBeGreaterThanOrEqual(before)
              if (fence === before) expect(id).toBe(holder?.id ?? id)
              fences.set(session, fence ?? 0)
            }
          }
        }),
        { numRuns: 25 },
      )
    })
  })

  describe('P8: waiting runs are admitted in their order, each once', () => {
    it('admits first in, first out', async () => {
      const scene = await Scene.of(open)
      let hold = await scene.hold('r0', 'k')
      for (let at = 1; at <= 64; at++) await scene.admit(`r${at}`, 'k')
      const order = []
      for (;;) {
        const { admitted } = await scene.finish(hold)
        if (admitted === null) break
        order.push(admitted.run)
        hold = admitted
      }
      expect(order).toEqual(Array.from({ length: 64 }, (_, at) => `r${at + 1}`))
    })

    it('admits interactive runs before background ones', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('holder', 'k')
      await scene.admit('background', 'k', { priority: 'background' })
      await scene.admit('first', 'k')
      await scene.admit('second', 'k')
      const { admitted } = await scene.finish(hold)
      expect(admitted).toEqual({ run: 'first', fence: 2, supervisor: 's1', socket: '/run/s1' })
    })

    it('passes over a waiter whose supervisor is gone, and keeps it for recovery', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('silent', { renewedAt: noon - ttl })
      await scene.supervisor('lively', { renewedAt: noon + 5_000 })
      const hold = await scene.hold('holder', 'k')
      await scene.admit('stale', 'k', { supervisor: 'silent' })
      await scene.admit('fresh', 'k', { supervisor: 'lively' })
      expect((await scene.finish(hold)).admitted?.run).toBe('fresh')
      expect(await scene.stateOf('stale')).toBe('waiting')
    })

    it('gives a session that nobody took up to a waiter that asks again', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('slept', { renewedAt: noon - ttl })
      const hold = await scene.hold('holder', 'k')
      await scene.admit('waiter', 'k', { supervisor: 'slept' })
      expect((await scene.finish(hold)).admitted).toBeNull()
      const answer = await scene.admit('waiter', 'k', { supervisor: 'slept', at: noon + 9_000 })
      expect(answer).toEqual({ state: 'running', fence: 2, at: noon + 9_000 })
    })

    it('counts the wait until the admission, and none after it', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('holder', 'k')
      await scene.admit('waiter', 'k', { at: noon + 1_000 })
      const { admitted } = await scene.finish(hold, { at: noon + 4_000 })
      if (admitted === null) throw new Error('nobody was admitted')
      const { outcome } = await scene.finish(admitted, { at: noon + 9_000 })
      expect(outcome).toMatchObject({ waitedMs: 3_000, durationMs: 5_000 })
    })
  })

  describe('admitting again', () => {
    it('answers a repeated admission as the first, while the run runs, waits and stops', async () => {
      const scene = await Scene.of(open)
      const request = { id: 'message 1', payload: '{"text":"hello"}' }
      const first = await scene.admit('a', 'k', { request })
      expect(await scene.admit('a', 'k', { request, at: noon + 1 })).toEqual(first)
      const queued = await scene.admit('b', 'k')
      expect(await scene.admit('b', 'k')).toEqual(queued)
      await scene.store.requestCancel('a', { cause: 'cancelled', message: null, grace: null }, noon)
      expect(await scene.admit('a', 'k', { request })).toEqual(first)
      expect(await scene.store.runs({ session: 'k' })).toHaveLength(2)
    })

    it('P6: admits no run again that has ended', async () => {
      const scene = await Scene.of(open)
      await scene.finish(await scene.hold('a', 'k'))
      expect(await codeOf(scene.admit('a', 'k'))).toBe('run_ended')
    })

    it('P6: admits no subagent of a run that has ended, stops or never was, but answers again for one', async () => {
      const scene = await Scene.of(open)
      const parent = await scene.hold('parent', 'k')
      const child = await scene.hold('child', 'l', { parent: 'parent' })
      await scene.store.markStopping(parent, { cause: 'cancelled', message: null, grace: null }, noon)
      expect(await codeOf(scene.admit('late', 'm', { parent: 'parent' }))).toBe('run_ended')
      expect(await scene.admit('child', 'l', { parent: 'parent' })).toMatchObject({ fence: child.fence })
      expect(await scene.store.subagents('parent')).toMatchObject([{ id: 'child', parent: 'parent' }])
      await expect(scene.finish(parent), 'before its subagent has ended').rejects.toThrow(
        'its subagents end before',
      )
      await scene.finish(child)
      expect(await scene.store.subagents('parent')).toEqual([])
      await scene.finish(parent)
      expect(await codeOf(scene.admit('later', 'm', { parent: 'parent' }))).toBe('run_ended')
      expect(await codeOf(scene.admit('orphan', 'm', { parent: 'nobody' }))).toBe('run_ended')
    })

    it('admits nothing for a supervisor that is unknown or closed', async () => {
      const scene = await Scene.of(open)
      expect(await codeOf(scene.store.admit(admission('a', 'k', { supervisor: 'nobody' })))).toBe(
        'supervisor_closed',
      )
      await scene.store.unregister('s1', noon)
      expect(await codeOf(scene.admit('a', 'k'))).toBe('supervisor_closed')
      expect(await codeOf(scene.store.renew('s1', noon, null))).toBe('supervisor_closed')
    })
  })
}
