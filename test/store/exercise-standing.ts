import { describe, expect, it } from 'vitest'
import { noon, type OpenStore, Scene, stop } from './scene.ts'

/** How a store says that it stands: what health and why are made of. */
export function exerciseStanding(open: OpenStore): void {
  describe('P10: how it stands', () => {
    it('the census counts what has not ended, and names the oldest lock and the longest wait', async () => {
      const scene = await Scene.of(open)
      const nothing = {
        waiting: 0,
        running: 0,
        stopping: 0,
        oldestLock: null,
        longestWait: null,
        openBreakers: [],
      }
      expect(await scene.store.census()).toEqual(nothing)
      // It holds no session, so it is no lock, however old.
      await scene.hold('free', null, { at: noon - 9_000 })
      const ended = await scene.hold('ended', 'e', { at: noon - 5_000 })
      await scene.finish(ended)
      await scene.hold('young', 'b', { at: noon + 1_000 })
      const old = await scene.hold('old', 'a', { at: noon })
      await scene.admit('late', 'b', { at: noon + 4_000 })
      await scene.admit('early', 'a', { at: noon + 2_000 })
      await scene.store.markStopping(old, stop(), noon + 5_000)
      expect(await scene.store.census()).toEqual({
        waiting: 2,
        running: 2,
        stopping: 1,
        oldestLock: { run: 'old', session: 'a', supervisor: 's1', since: noon },
        longestWait: { run: 'early', session: 'a', since: noon + 2_000 },
        openBreakers: [],
      })
    })

    it('the census tells open breakers, and not those that only count', async () => {
      const scene = await Scene.of(open)
      const fail = async (run: string, session: string, failures: number) => {
        const breaker = { failures, cooldown: 60_000, counts: ['timed_out' as const] }
        await scene.finish(await scene.hold(run, session, { breaker }), { cause: 'timed_out' })
      }
      await fail('a', 'counts', 2)
      await fail('b', 'open', 1)
      const { openBreakers } = await scene.store.census()
      expect(openBreakers).toMatchObject([
        { session: 'open', breaker: { failures: 1, opened: { trial: null } } },
      ])
      await scene.store.closeBreaker('open')
      expect((await scene.store.census()).openBreakers).toEqual([])
    })

    it('waiters are told in the order in which they get the session', async () => {
      const scene = await Scene.of(open)
      const holder = await scene.hold('a', 'k')
      await scene.admit('background', 'k', { priority: 'background' })
      await scene.admit('first', 'k')
      await scene.admit('second', 'k')
      await scene.admit('other', 'l')
      const names = async () => (await scene.store.waiters('k')).map(({ id }) => id)
      expect(await names()).toEqual(['first', 'second', 'background'])
      const { admitted } = await scene.finish(holder)
      expect(admitted?.run).toBe('first')
      expect(await names()).toEqual(['second', 'background'])
      expect(await scene.store.waiters('nobody knows')).toEqual([])
    })

    it('a run says since when it stops, and when it wrote which entries', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const write = (index: number, body: unknown) =>
        scene.store.append(hold, { index, body: JSON.stringify(body), at: noon + index })
      await write(0, 'hello')
      await write(1, { coppice: 'attempt_failed', call: 1 })
      await write(2, { coppice: 7 })
      await write(3, ['coppice'])
      expect(await scene.store.entryMarks('a')).toEqual([
        { index: 0, at: noon, characters: 7, coppice: null },
        { index: 1, at: noon + 1, characters: 37, coppice: 'attempt_failed' },
        { index: 2, at: noon + 2, characters: 13, coppice: null },
        { index: 3, at: noon + 3, characters: 11, coppice: null },
      ])
      expect(await scene.store.run('a')).toMatchObject({ stoppingAt: null })
      await scene.store.markStopping(hold, stop(), noon + 9)
      expect(await scene.store.run('a')).toMatchObject({ stoppingAt: noon + 9 })
      expect(await scene.store.entryMarks('nobody')).toEqual([])
    })

    it('says how long its commits take, and asks nothing for it', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      const { count, p50, p99, max, pendingMs } = scene.store.commits()
      expect(count).toBeGreaterThanOrEqual(2)
      expect(pendingMs).toBe(0)
      expect(p50).toBeGreaterThan(0)
      expect(p99).toBeGreaterThanOrEqual(p50 ?? 0)
      expect(max).toBeGreaterThanOrEqual(p99 ?? 0)
    })
  })
}
