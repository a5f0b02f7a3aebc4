import { describe, expect, it } from 'vitest'
import { type Cause, endings, refusals } from '#src/runs/causes.js'
import type { Hold } from '#src/store/records.js'
import { codeOf, noon, type OpenStore, Scene, stop, tree } from './scene.ts'

const stops = (Object.keys(endings) as Cause[]).filter(
  (cause) => !(refusals as readonly Cause[]).includes(cause),
)

export function exerciseEnding(open: OpenStore): void {
  describe('P2: one ending', () => {
    it.each(stops)(
      'ends a run for %s in the state that follows from it, and frees its session',
      async (cause) => {
        const scene = await Scene.of(open)
        const hold = await scene.hold('a', 'k', { request: { id: 'q', payload: '{}' }, labels: '{"x":1}' })
        const { outcome, admitted } = await scene.finish(hold, {
          cause,
          message: 'because',
          forced: true,
          trees: 2,
        })
        expect(admitted).toBeNull()
        expect(outcome).toEqual({
          run: 'a',
          session: 'k',
          parent: null,
          request: 'q',
          fence: 1,
          state: endings[cause],
          cause,
          message: 'because',
          forced: true,
          callback: 'settled',
          trees: 2,
          tree: null,
          startedAt: '2026-01-01T12:00:00.000Z',
          endedAt: '2026-01-01T12:00:05.000Z',
          waitedMs: 0,
          durationMs: 5_000,
        })
        expect(await scene.store.run('a')).toMatchObject({
          state: endings[cause],
          labels: '{"x":1}',
          outcome,
        })
        expect(await scene.store.holder('k')).toBeNull()
        expect(await scene.store.transcript('k', {})).toMatchObject([{ kind: 'ending', outcome }])
      },
    )

    it('tells the same ending each time, and who has the session by then', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      const first = await scene.finish(hold)
      expect(await scene.finish(hold, { cause: 'threw', message: 'later' })).toEqual(first)
      expect(first.admitted?.run).toBe('b')
    })

    it('ends the trees that a run leaves, with the proof of its ending', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.treeLaunched(hold, tree('done'))
      const end = {
        tree: 'done',
        code: 3,
        signal: null,
        ended: 'exited',
        proof: 'empty',
        survivors: [],
        at: noon,
      }
      await scene.store.treeEnded(hold, { ...end, proof: 'empty' })
      await scene.store.treeLaunched(hold, tree('left'))
      const survivors = [{ pid: 7, startTime: '1', name: 'stubborn' }]
      const { outcome } = await scene.finish(hold, { trees: 2, tree: { proof: 'survivors', survivors } })
      expect(outcome.tree).toEqual({ proof: 'survivors', survivors })
      expect(await scene.store.trees('a')).toMatchObject([
        { tree: 'done', end },
        { tree: 'left', end: { ended: 'lost', proof: 'survivors', code: null, at: noon + 5_000 } },
      ])
    })

    it('ends a run without a session', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', null)
      expect((await scene.finish(hold)).outcome).toMatchObject({
        session: null,
        state: 'succeeded',
        fence: 1,
      })
    })
  })

  describe('P5: the first cause wins', () => {
    it('keeps the stored cause and its message against later stops and the ending', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const first = stop({ cause: 'timed_out', message: 'after 10m', grace: 5_000 })
      expect(await scene.store.markStopping(hold, first, noon)).toEqual(first)
      expect(await scene.store.markStopping(hold, stop(), noon)).toEqual(first)
      expect((await scene.store.requestCancel('a', stop(), noon)).stop).toEqual(first)
      const { outcome } = await scene.finish(hold, { cause: 'returned', message: null })
      expect(outcome).toMatchObject({ state: 'timed_out', cause: 'timed_out', message: 'after 10m' })
    })

    it('lets a later stop shorten the grace and nothing else', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.store.markStopping(hold, stop({ grace: null }), noon)
      expect(
        await scene.store.markStopping(hold, stop({ cause: 'shutdown', grace: 300 }), noon),
      ).toMatchObject({
        cause: 'cancelled',
        grace: 300,
      })
      await scene.store.requestCancel('a', stop({ grace: 0 }), noon)
      await scene.store.requestCancel('a', stop({ grace: 9_000 }), noon)
      expect((await scene.store.run('a'))?.stop).toEqual(stop({ grace: 0 }))
    })

    it('stops with a run what others run below it, three deep, so that none of that is lost to the kill of its tree', async () => {
      for (const [at, end] of [
        (scene: Scene, top: Hold) => scene.store.markStopping(top, stop({ grace: 300 }), noon),
        (scene: Scene) => scene.store.requestCancel('top', stop({ grace: 300 }), noon),
      ].entries()) {
        const scene = await Scene.of(open)
        await scene.supervisor('s2')
        await scene.supervisor('s3')
        const top = await scene.hold('top', null)
        await scene.hold('middle', 'k', { parent: 'top', supervisor: 's2' })
        await scene.hold('bottom', 'l', { parent: 'middle', supervisor: 's3' })
        await scene.admit('waits', 'l', { parent: 'top', supervisor: 's2' })
        await scene.hold('timed out', 'm', { parent: 'middle', supervisor: 's2' })
        const first = stop({ cause: 'timed_out', message: 'after 10m' })
        await scene.store.requestCancel('timed out', first, noon)
        await scene.hold('of its own supervisor', 'n', { parent: 'top' })
        await scene.hold('below that', 'o', { parent: 'of its own supervisor', supervisor: 's2' })
        await scene.hold('other', 'p', { supervisor: 's2' })
        await end(scene, top)
        const parentEnded = (parent: string) =>
          stop({ cause: 'parent_ended', message: `its parent, run ${parent}, ended`, grace: 300 })
        const stopOf = async (run: string) => (await scene.store.run(run))?.stop
        expect(await stopOf('middle'), `${at}`).toEqual(parentEnded('top'))
        expect(await stopOf('bottom')).toEqual(parentEnded('middle'))
        expect(await stopOf('timed out'), 'the first cause wins').toEqual(first)
        expect(await stopOf('of its own supervisor'), 'which may know another cause').toBeNull()
        expect(await stopOf('below that')).toEqual(parentEnded('of its own supervisor'))
        expect(await stopOf('other')).toBeNull()
        expect(await scene.stateOf('waits')).toBe('waiting')
      }
    })

    it('ends with one of two truths where a cancel races the end', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      const states = new Set<string>()
      for (let at = 0; at < 200; at++) {
        const hold = await scene.hold(`r${at}`, 'k')
        const cancel = () => other.store.requestCancel(hold.run, stop(), noon)
        const [{ outcome }] = await Promise.all(
          at % 2 === 0 ? [scene.finish(hold), cancel()] : [cancel().then(() => scene.finish(hold))],
        )
        expect((await other.store.run(hold.run))?.outcome).toEqual(outcome)
        states.add(outcome.state)
      }
      expect([...states].every((state) => ['succeeded', 'cancelled'].includes(state))).toBe(true)
    })

    it('refuses a cause that cannot end an admitted run', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      expect(await codeOf(scene.finish(hold, { cause: 'busy' }))).toBe('invalid_option')
      expect(await codeOf(scene.store.markStopping(hold, stop({ cause: 'queue_full' }), noon))).toBe(
        'invalid_option',
      )
      expect(await scene.stateOf('a')).toBe('running')
    })
  })

  describe('P8: a waiting run ends at once, or it was admitted', () => {
    it.each([...refusals, 'cancelled', 'shutdown', 'parent_ended'] as const)(
      'ends it for %s',
      async (cause) => {
        const scene = await Scene.of(open)
        await scene.hold('a', 'k')
        await scene.admit('b', 'k')
        const ended = await scene.store.endIfWaiting('b', cause, 'told', noon + 2_000)
        expect(ended).toMatchObject({ state: endings[cause], fence: null, startedAt: null })
        expect(ended.outcome).toMatchObject({
          cause,
          message: 'told',
          fence: null,
          waitedMs: 2_000,
          durationMs: 0,
        })
        expect(await scene.store.endIfWaiting('b', 'cancelled', 'again', noon)).toEqual(ended)
      },
    )

    it('says so where the run was admitted meanwhile, and ends nothing', async () => {
      const scene = await Scene.of(open)
      await scene.hold('a', 'k')
      expect(await scene.store.endIfWaiting('a', 'busy', 'told', noon)).toMatchObject({
        state: 'running',
        fence: 1,
      })
    })

    it('ends a waiting run that is cancelled, which is then passed over', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      await scene.admit('c', 'k')
      expect(await scene.store.requestCancel('b', stop(), noon)).toMatchObject({ state: 'cancelled' })
      expect((await scene.finish(hold)).admitted?.run).toBe('c')
    })

    it('marks a running run that is cancelled, and changes nothing in one that has ended', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      expect(await scene.store.requestCancel('a', stop({ grace: 0 }), noon)).toMatchObject({
        state: 'stopping',
        stop: stop({ grace: 0 }),
      })
      const { outcome } = await scene.finish(hold)
      expect((await scene.store.requestCancel('a', stop({ cause: 'shutdown' }), noon)).outcome).toEqual(
        outcome,
      )
      expect(await codeOf(scene.store.requestCancel('nothing', stop(), noon))).toBe('invalid_option')
    })
  })
}
