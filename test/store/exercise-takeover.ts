import { describe, expect, it } from 'vitest'
import type { StoredRun } from '#src/store/records.js'
import { codeOf, noon, type OpenStore, Scene, stop, tree } from './scene.ts'

export function exerciseTakeover(open: OpenStore): void {
  describe('P9: a dead owner’s run is taken over once', () => {
    it('case 31: has one winner among many claimants in two processes', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 'other-0')
      await scene.hold('a', 'k')
      const seen = await stored(scene, 'a')
      for (let at = 1; at < 10; at++) await scene.supervisor(`other-${at}`)
      const claims = await Promise.all(
        Array.from({ length: 10 }, (_, at) =>
          (at % 2 === 0 ? scene : other).store.takeOverIfUnchanged(seen, `other-${at}`, noon),
        ),
      )
      const won = claims.filter((claim) => claim !== null)
      expect(won).toHaveLength(1)
      expect(await stored(scene, 'a')).toMatchObject({
        state: 'stopping',
        fence: 2,
        stop: { cause: 'lost' },
        supervisor: { id: won[0]?.supervisor },
      })
    })

    it('answers a repeated claim of the winner as the first', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.hold('b', 'l')
      await scene.admit('c', 'l')
      await scene.supervisor('s2')
      for (const run of ['a', 'c']) {
        const seen = await stored(scene, run)
        const claim = await scene.store.takeOverIfUnchanged(seen, 's2', noon)
        expect(claim).not.toBeNull()
        expect(await scene.store.takeOverIfUnchanged(seen, 's2', noon)).toEqual(claim)
      }
    })

    it('keeps the cause that a stopping run has', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.markStopping(hold, stop({ cause: 'timed_out', message: 'after 10m' }), noon)
      await scene.supervisor('s2')
      const claim = await scene.store.takeOverIfUnchanged(await stored(scene, 'a'), 's2', noon)
      if (claim === null) throw new Error('not claimed')
      const { outcome } = await scene.finish(claim, { cause: 'lost', message: 'its supervisor died' })
      expect(outcome).toMatchObject({ state: 'timed_out', message: 'after 10m', fence: 2 })
    })

    it('P6: fences the old holder off, admits the next waiter, and gives it a greater fence', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.treeLaunched(hold, tree('left'))
      await scene.supervisor('s2')
      await scene.admit('b', 'k', { supervisor: 's2' })
      const claim = await scene.store.takeOverIfUnchanged(await stored(scene, 'a'), 's2', noon)
      if (claim === null) throw new Error('not claimed')
      expect(await codeOf(scene.append(hold, 0, 'late'))).toBe('run_lost')
      expect(await codeOf(scene.finish(hold))).toBe('run_lost')
      const { outcome, admitted } = await scene.finish(claim, {
        cause: 'lost',
        message: 'its supervisor died',
      })
      expect(outcome).toMatchObject({ state: 'lost', cause: 'lost', message: 'its supervisor died' })
      expect(admitted).toMatchObject({ run: 'b', fence: 3 })
    })

    it('claims nothing where the run, its owner or the owner’s lease changed since it was seen', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      const changes: Array<(run: string) => Promise<unknown>> = [
        (run) => scene.store.requestCancel(run, stop(), noon),
        (run) => scene.finish({ run, supervisor: 's1', fence: 1 }),
        () => scene.store.renew('s1', noon + 10_000, null),
      ]
      for (const [at, change] of changes.entries()) {
        await scene.hold(`r${at}`, `k${at}`)
        const seen = await stored(scene, `r${at}`)
        await change(`r${at}`)
        expect(await scene.store.takeOverIfUnchanged(seen, 's2', noon)).toBeNull()
      }
    })

    it('ends a waiting run as lost, with nothing to finish', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      await scene.supervisor('s2')
      const claim = await scene.store.takeOverIfUnchanged(await stored(scene, 'b'), 's2', noon)
      expect(claim).toEqual({ run: 'b', supervisor: 's2', fence: 0 })
      expect(await stored(scene, 'b')).toMatchObject({
        state: 'lost',
        outcome: { state: 'lost', fence: null },
      })
    })

    it('is not for a supervisor that is closed', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      expect(await codeOf(scene.store.takeOverIfUnchanged(await stored(scene, 'a'), 'nobody', noon))).toBe(
        'supervisor_closed',
      )
    })
  })
}

async function stored(scene: Scene, run: string): Promise<StoredRun> {
  const found = await scene.store.run(run)
  if (found === null) throw new Error(`${run} is not stored`)
  return found
}
