import { describe, expect, it } from 'vitest'
import type { Hold } from '#src/store/records.js'
import { codeOf, ending, noon, type OpenStore, Scene, stop, tree } from './scene.ts'

/** Every verb with which a run writes. */
function writes(scene: Scene): Record<string, (hold: Hold) => Promise<unknown>> {
  const { store } = scene
  return {
    append: (hold) => scene.append(hold, 7, 'late'),
    draft: (hold) => store.draft(hold, '"late"'),
    'draft null': (hold) => store.draft(hold, null),
    waits: (hold) => store.waits(hold, '[]'),
    'waits for nothing': (hold) => store.waits(hold, null),
    check: (hold) => store.check(hold),
    treeLaunched: (hold) => store.treeLaunched(hold, tree('late')),
    treeEnded: (hold) =>
      store.treeEnded(hold, {
        tree: 'early',
        code: 0,
        signal: null,
        ended: 'exited',
        proof: 'empty',
        survivors: [],
        at: noon,
      }),
    markStopping: (hold) => store.markStopping(hold, stop({ cause: 'timed_out' }), noon),
    finishIfHeld: (hold) => store.finishIfHeld(hold, ending()),
  }
}

export function exerciseFencing(open: OpenStore): void {
  describe('P6: a run writes only while it holds', () => {
    it('takes every write of the holder', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.treeLaunched(hold, tree('early'))
      for (const write of Object.values(writes(scene))) await expect(write(hold)).resolves.not.toThrow()
    })

    it('refuses every write of a run that has ended, except the ending, which is told again', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.treeLaunched(hold, tree('early'))
      const told = await scene.finish(hold, { cause: 'threw', message: 'no' })
      const before = await everything(scene)
      const { finishIfHeld, ...others } = writes(scene)
      for (const [verb, write] of Object.entries(others)) {
        expect({ verb, code: await codeOf(write(hold)) }).toEqual({ verb, code: 'run_ended' })
      }
      expect(await finishIfHeld?.(hold)).toEqual(told)
      expect(await everything(scene)).toEqual(before)
    })

    it('tells a holder whose run was taken over that it is lost, also when that has ended', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.supervisor('s2')
      await scene.store.treeLaunched(hold, tree('early'))
      const taken = await scene.store.takeOverByForce('a', 's2', noon)
      await scene.finish(taken as Hold, { cause: 'lost' })
      const { finishIfHeld: _, ...others } = writes(scene)
      for (const [verb, write] of Object.entries(others))
        expect({ verb, code: await codeOf(write(hold)) }).toEqual({ verb, code: 'run_lost' })
    })

    it('refuses every write of a holder with another fence, another supervisor, or an unknown run', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.supervisor('s2')
      await scene.store.treeLaunched(hold, tree('early'))
      const before = await everything(scene)
      const stale = [
        { ...hold, fence: hold.fence + 1 },
        { ...hold, fence: hold.fence - 1 },
        { ...hold, supervisor: 's2' },
        { ...hold, supervisor: 'nobody' },
        { ...hold, run: 'nothing' },
      ]
      for (const [verb, write] of Object.entries(writes(scene))) {
        for (const wrong of stale) {
          expect({ verb, wrong, code: await codeOf(write(wrong)) }).toEqual({ verb, wrong, code: 'run_lost' })
        }
      }
      expect(await everything(scene)).toEqual(before)
    })

    it('refuses every write of a run that waits', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      for (const [verb, write] of Object.entries(writes(scene))) {
        const code = await codeOf(write({ run: 'b', supervisor: 's1', fence: 2 }))
        expect({ verb, code }).toEqual({ verb, code: 'run_lost' })
      }
    })

    it('takes entries, drafts and trees of a run that stops', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.markStopping(hold, stop(), noon)
      await scene.store.treeLaunched(hold, tree('early'))
      for (const write of Object.values(writes(scene))) await expect(write(hold)).resolves.not.toThrow()
    })
  })

  describe('a failure is of one request', () => {
    it('P7: stores what shares a commit with requests that are refused', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const stale = { ...hold, fence: 9 }
      const settled = await Promise.allSettled(
        Array.from({ length: 60 }, (_, at) => scene.append(at % 3 === 0 ? stale : hold, at, at)),
      )
      expect(settled.map(({ status }) => status)).toEqual(
        Array.from({ length: 60 }, (_, at) => (at % 3 === 0 ? 'rejected' : 'fulfilled')),
      )
      expect(await scene.store.transcript('k', {})).toHaveLength(40)
    })

    it('stores what shares a commit with one that fails in the middle', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const broken = { index: 1, body: 5 as never, at: 'never' as never }
      const settled = await Promise.allSettled([
        scene.append(hold, 0, 'before'),
        scene.store.append(hold, broken),
        scene.admit('b', 'l'),
        scene.append(hold, 2, 'after'),
      ])
      expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
      expect(await scene.store.transcript('k', {})).toMatchObject([{ entry: 'before' }, { entry: 'after' }])
    })
  })
}

function everything({ store }: Scene): Promise<unknown> {
  return Promise.all([store.runs({}), store.trees('a'), store.transcript('k', {}), store.sessions()])
}
