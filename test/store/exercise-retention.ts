import { describe, expect, it } from 'vitest'
import type { Pruned } from '#src/store/ending-contract.js'
import { noon, type OpenStore, Scene, tree } from './scene.ts'

export function exerciseRetention(open: OpenStore): void {
  const request = (id: string) => ({ request: { id, payload: '{}' } })
  const later = noon + 60_000

  const prune = (scene: Scene, over = {}): Promise<Pruned> =>
    scene.store.prune({ before: later, number: null, after: 0, limit: 1_000, ...over })

  const names = async (scene: Scene) => (await scene.store.runs({ limit: 1_000 })).map(({ id }) => id)

  describe('what is forgotten of old runs', () => {
    it('is what no transcript needs: an entry, and the ending of its run, stay', async () => {
      const scene = await Scene.of(open)
      await scene.pass('k', ['first'])
      for (let run = 0; run < 5; run++) await scene.pass('k')
      await scene.pass('k', ['second'])
      await scene.finish(
        await scene.hold('drafted', 'k').then(async (hold) => {
          await scene.store.draft(hold, '"half"')
          return hold
        }),
      )
      for (let run = 0; run < 5; run++) await scene.pass('k')
      await scene.pass('l')
      const before = await scene.store.transcript('k', {})
      expect(await prune(scene)).toMatchObject({ next: null, runs: 9 })
      const after = await scene.store.transcript('k', {})
      expect(after).toEqual(
        before.filter(({ run }) => ['pass-1', 'pass-7', 'drafted', 'pass-12'].includes(run)),
      )
      expect(await names(scene)).toEqual(['pass-13', 'pass-12', 'drafted', 'pass-7', 'pass-1'])
      expect((await scene.store.runs({ session: 'k' })).map(({ id }) => id)).toEqual([
        'pass-12',
        'drafted',
        'pass-7',
        'pass-1',
      ])
      await scene.pass('k', ['third'])
      expect(await scene.store.transcript('k', {})).toHaveLength(after.length + 2)
    })

    it('is read past in transcripts of any length', async () => {
      const scene = await Scene.of(open)
      for (let run = 0; run < 300; run++) await scene.pass('k', run % 50 === 0 ? [run] : [])
      await prune(scene)
      const entries = (await scene.store.transcript('k', {})).filter(({ kind }) => kind === 'entry')
      expect(entries.map((item) => (item.kind === 'entry' ? item.entry : null))).toEqual([
        0, 50, 100, 150, 200, 250,
      ])
      expect((await names(scene)).length).toBeLessThan(15)
    })

    it('goes by age, by number, and by slices', async () => {
      const scene = await Scene.of(open)
      for (let run = 0; run < 10; run++) await scene.pass(`k${run}`)
      for (let run = 0; run < 10; run++) await scene.finish(await scene.hold(`none-${run}`, null))
      expect(await prune(scene, { before: noon })).toMatchObject({ runs: 0 })
      expect(await prune(scene, { before: noon, number: 5 })).toMatchObject({ runs: 5 })
      const first = await prune(scene, { limit: 4 })
      expect(first.next).not.toBeNull()
      expect(await prune(scene, { after: first.next })).toMatchObject({ next: null, runs: 4 })
      // The last of each session, and the newest of all.
      expect(await names(scene)).toHaveLength(11)
    })

    it('is never live, nor pending, nor an ending that nobody was told', async () => {
      const scene = await Scene.of(open)
      await scene.hold('live', null)
      await scene.hold('held', 'k')
      await scene.admit('waits', 'k')
      await scene.finish(await scene.hold('untold', 'l', request('untold')))
      await scene.finish(await scene.hold('lost', 'l', request('pending')), { cause: 'lost' })
      await scene.finish(await scene.hold('told', 'l', request('told')))
      await scene.pass('l')
      await scene.store.tells('s1')
      const claimed = await scene.store.claimEndings('s1', 10, noon)
      const told = claimed.filter(({ outcome }) => outcome.run !== 'untold').map(({ seq }) => seq)
      await scene.store.acknowledge(told, noon)
      expect(await prune(scene)).toMatchObject({ runs: 2, requests: 1 })
      expect(await names(scene)).toEqual(['pass-1', 'untold', 'waits', 'held', 'live'])
      expect(await scene.store.pending({})).toMatchObject([{ id: 'pending' }])
      // Forgotten is forgotten: it is a new request.
      expect(await scene.admit('again', 'l', request('told'))).toMatchObject({ state: 'running' })
      expect(await scene.admit('again2', 'l', request('untold'))).toMatchObject({ state: 'existing' })
    })

    it('is an ending that nobody was told, where nobody ever told any', async () => {
      const scene = await Scene.of(open)
      await scene.finish(await scene.hold('untold', 'l', request('untold')))
      await scene.pass('l')
      expect(await prune(scene)).toMatchObject({ runs: 1, requests: 1 })
      expect(await scene.store.untold()).toBe(0)
    })

    it('takes the trees and the messages of a run with it', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.append(hold, 0, 'entry')
      await scene.store.treeLaunched(hold, tree('t'))
      await scene.admit('of m', 'k', { ...request('m'), delivers: true })
      await scene.store.messages(hold, { done: [], have: 0, take: 1 })
      await scene.finish(hold, { through: ['m'] })
      const [told] = await scene.store.claimEndings('s1', 10, noon)
      await scene.store.acknowledge([told?.seq ?? 0], noon)
      expect(await prune(scene)).toEqual({ next: null, runs: 0, requests: 1, trees: 1 })
      expect(await scene.store.trees('a')).toEqual([])
      expect(await scene.store.request('k', 'm')).toBeNull()
    })
  })
}
