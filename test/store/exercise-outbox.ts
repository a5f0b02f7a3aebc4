import { describe, expect, it } from 'vitest'
import type { ToldEnding } from '#src/store/ending-contract.js'
import type { Hold } from '#src/store/records.js'
import { admission, noon, type OpenStore, Scene, stop, tree, ttl } from './scene.ts'

export function exerciseOutbox(open: OpenStore): void {
  const request = (id: string) => ({ request: { id, payload: `"${id}"` } })
  const ours = { owns: true, hold: null }
  const at = noon + 1_000

  async function bothTell({ store }: Scene): Promise<void> {
    for (const supervisor of ['s1', 's2']) await store.tells(supervisor)
  }

  async function claimed(scene: Scene, supervisor: string, when = at): Promise<string[]> {
    return (await scene.store.claimEndings(supervisor, 100, when)).map(({ outcome }) => outcome.run)
  }

  async function end(
    scene: Scene,
    run: string,
    over: Parameters<Scene['finish']>[1] = {},
  ): Promise<ToldEnding | undefined> {
    const hold = await scene.hold(run, 'k', request(run))
    return (await scene.finish(hold, over)).tell
  }

  describe('P8: an ending is in the outbox from its own transaction on', () => {
    it('of a run with a request, of one that was handed messages, of one that asks for it, and of no other', async () => {
      const scene = await Scene.of(open)
      await scene.finish(await scene.hold('request', 'k', request('q')))
      await scene.finish(await scene.hold('tell', 'k', { tells: true }))
      const hold = await scene.hold('inbox', 'k')
      await scene.admit('m', 'k', { ...request('m'), delivers: true })
      await scene.finish(hold)
      await scene.finish(await scene.hold('plain', 'k'))
      await scene.finish(await scene.hold('none', null))
      expect(await scene.store.untold()).toBe(3)
      expect(await claimed(scene, 's1')).toEqual(['request', 'tell', 'inbox'])
    })

    it('however a run ends that waits', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('other')
      const holder = await scene.hold('a', 'k', {
        breaker: { failures: 1, cooldown: 60_000, counts: ['stalled'] },
      })
      for (const run of ['cancelled', 'left', 'lost', 'broken']) await scene.admit(run, 'k', request(run))
      await scene.admit('full', 'k', { ...request('full'), maxWaiters: 0 })
      await scene.store.requestCancel('cancelled', stop(), noon)
      await scene.store.endIfWaiting('left', 'busy', null, noon)
      const seen = await scene.store.run('lost')
      if (seen === null) throw new Error('not stored')
      await scene.store.takeOverIfUnchanged(seen, 'other', noon + ttl)
      await scene.finish(holder, { cause: 'stalled' })
      await scene.store.refuse(admission('refused', 'k', request('refused')), 'queue_full', 'no room')
      expect(await claimed(scene, 's1')).toEqual(['full', 'cancelled', 'left', 'lost', 'broken', 'refused'])
    })

    it('comes back from that transaction, with all that is told of it', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k', request('q'))
      await scene.admit('of m', 'k', { ...request('m'), delivers: true })
      await scene.store.messages(hold, { done: [], have: 0, take: 1 })
      await scene.store.draft(hold, '"half an ans"')
      const error = { name: 'Error', message: 'no' }
      const { tell, outcome } = await scene.finish(hold, { cause: 'threw', error, telling: ours })
      expect(tell).toEqual({
        seq: expect.any(Number),
        outcome,
        request: { id: 'q', payload: '"q"', tries: 1, pending: false },
        messages: [],
        draft: '"half an ans"',
        error,
        calls: [],
      })
      // The same end again, whose answer got lost.
      expect((await scene.finish(hold, { telling: ours })).tell).toEqual(tell)
      const next = await scene.hold('b', 'k')
      await scene.admit('of m', 'k', { ...request('m'), delivers: true })
      await scene.store.messages(next, { done: [], have: 0, take: 1 })
      expect((await scene.finish(next, { through: ['m'], telling: ours })).tell).toMatchObject({
        request: null,
        messages: [{ id: 'm', payload: '"m"', tries: 2 }],
      })
    })

    it('says that its request is pending', async () => {
      const scene = await Scene.of(open)
      expect(await end(scene, 'a', { cause: 'lost', telling: ours })).toMatchObject({
        request: { pending: true },
      })
    })

    it('says so also when it is read after another run has got the request', async () => {
      const scene = await Scene.of(open)
      await end(scene, 'a', { cause: 'lost' })
      await scene.finish(await scene.hold('b', 'k', request('a')))
      const told = await scene.store.claimEndings('s1', 100, at)
      expect(told.map(({ outcome, request }) => [outcome.run, request?.pending])).toEqual([
        ['a', true],
        ['b', false],
      ])
    })
  })

  describe('P8: an ending is told by one supervisor at a time, in order per session, until it is acknowledged', () => {
    it('by the one that ended the run, where it tells endings, and else by whoever claims it', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      await bothTell(scene)
      expect(await end(scene, 'a', { telling: ours })).toBeDefined()
      expect(await claimed(scene, 's2')).toEqual([])
      expect(await end(scene, 'b', { telling: null })).toBeUndefined()
      // Its session's first is another's, who lives.
      expect(await claimed(scene, 's2')).toEqual([])
      expect(await claimed(scene, 's1')).toEqual(['b'])
      expect(await claimed(scene, 's1')).toEqual([])
    })

    it('not by the one that ended the run, where an earlier one of the session is somebody else’s', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      await bothTell(scene)
      await end(scene, 'a')
      const [first] = await scene.store.claimEndings('s2', 100, at)
      expect(first?.outcome.run).toBe('a')
      expect(await end(scene, 'b', { telling: ours })).toBeUndefined()
      expect(await claimed(scene, 's1')).toEqual([])
      expect((await scene.store.acknowledge([first?.seq ?? 0], at)).more).toBe(true)
      expect(await claimed(scene, 's2')).toEqual(['b'])
    })

    it('by the next where its supervisor left, or is silent for longer than its leases live', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2', { renewedAt: noon + ttl })
      await bothTell(scene)
      const a = (await end(scene, 'a', { telling: ours }))?.seq ?? 0
      const b = (await end(scene, 'b', { telling: ours }))?.seq ?? 0
      expect(await claimed(scene, 's2')).toEqual([])
      expect(await claimed(scene, 's2', noon + ttl)).toEqual(['a', 'b'])
      expect(await scene.store.ownEndings('s1', [a, b])).toEqual([])
      expect(await scene.store.ownEndings('s2', [a, b])).toEqual([a, b])
      await scene.store.leaveEndings('s2', { only: [a] })
      expect(await scene.store.ownEndings('s2', [a, b])).toEqual([b])
      await scene.store.leaveEndings('s2', { except: [b] })
      expect(await scene.store.ownEndings('s2', [a, b])).toEqual([b])
      await scene.store.leaveEndings('s2', { except: [] })
      await scene.store.renew('s1', noon + ttl, null)
      expect(await claimed(scene, 's1')).toEqual(['a', 'b'])
    })

    it('by one of two that claim at the same time', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      for (let run = 0; run < 20; run++)
        await scene.finish(await scene.hold(`r${run}`, `k${run}`, request('q')))
      const both = await Promise.all([claimed(scene, 's1'), claimed(other, 's2')])
      expect(both.flat().sort()).toEqual(Array.from({ length: 20 }, (_, run) => `r${run}`).sort())
    })

    it('and never again once it is acknowledged, however often that is said', async () => {
      const scene = await Scene.of(open)
      const seq = (await end(scene, 'a', { telling: ours }))?.seq ?? 0
      await scene.store.acknowledge([seq], at)
      expect(await scene.store.acknowledge([seq], at)).toEqual({ admitted: [], more: false })
      expect(await scene.store.untold()).toBe(0)
      expect((await scene.finish({ run: 'a', supervisor: 's1', fence: 1 })).tell).toBeUndefined()
    })
  })

  describe('P1: a session that is held for its ending', () => {
    const held = { owns: true, hold: 30_000 }

    async function heldSession(): Promise<{ scene: Scene; seq: number; endedAt: number }> {
      const scene = await Scene.of(open)
      const hold: Hold = await scene.hold('a', 'k', request('a'))
      await scene.admit('w', 'k')
      const endedAt = noon + 5_000
      const finished = await scene.finish(hold, { telling: held, at: endedAt })
      expect(finished.admitted).toBeNull()
      return { scene, seq: finished.tell?.seq ?? 0, endedAt }
    }

    it('admits nobody before it is acknowledged, and then the next that waits', async () => {
      const { scene, seq, endedAt } = await heldSession()
      expect(await scene.admit('b', 'k', { at: endedAt })).toMatchObject({ state: 'waiting', holder: null })
      expect(await scene.admit('w', 'k', { at: endedAt + 29_999 })).toMatchObject({ state: 'waiting' })
      const { admitted } = await scene.store.acknowledge([seq], endedAt + 10)
      expect(admitted).toMatchObject([{ run: 'w', supervisor: 's1', fence: 2 }])
    })

    it('also an ordinary run that nobody waits behind', async () => {
      const scene = await Scene.of(open)
      const seq = (await end(scene, 'a', { telling: held }))?.seq ?? 0
      expect(await scene.admit('b', 'k', { at: noon + 6_000 })).toMatchObject({ state: 'waiting' })
      await scene.store.acknowledge([seq], noon + 6_000)
      expect(await scene.admit('c', 'l')).toMatchObject({ state: 'running' })
      expect(await scene.stateOf('b')).toBe('running')
    })

    it('for no longer than it was asked for', async () => {
      const { scene, endedAt } = await heldSession()
      expect(await scene.store.admitWaiting('k', endedAt + 29_999)).toBeNull()
      await scene.store.renew('s1', endedAt + 30_000, null)
      expect(await scene.store.admitWaiting('k', endedAt + 30_000)).toMatchObject({ run: 'w' })
    })

    it('and not by a clock that was set back', async () => {
      const { scene, endedAt } = await heldSession()
      expect(await scene.admit('w', 'k', { at: endedAt - 1 })).toMatchObject({ state: 'running' })
    })
  })

  describe('an ending says which calls of a model have no result', () => {
    const entry = (index: number, over: { calls?: string[]; results?: string[] }) => ({
      index,
      body: '{}',
      at: noon,
      ...over,
    })
    const exited = {
      code: 0,
      signal: null,
      ended: 'exited',
      proof: 'empty',
      survivors: [],
      at: noon,
    } as const

    async function callsOf(
      cause: 'returned' | 'cancelled',
      steps: (scene: Scene, hold: Hold) => Promise<void>,
    ) {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k', request('q'))
      await steps(scene, hold)
      const { tell } = await scene.finish(hold, { cause, telling: ours })
      expect(await scene.store.transcript('k', { limit: 100 })).toContainEqual(
        expect.objectContaining({ kind: 'ending', calls: tell?.calls }),
      )
      return tell?.calls
    }

    it('with how their commands ended, or that none was launched', async () => {
      const calls = await callsOf('cancelled', async ({ store }, hold) => {
        await store.append(hold, entry(0, { calls: ['c1', 'c2', 'c3', 'c4'] }))
        for (const call of ['c1', 'c2', 'c3']) await store.treeLaunched(hold, tree(`t-${call}`, { call }))
        await store.treeEnded(hold, { ...exited, tree: 't-c1' })
        await store.append(hold, entry(1, { results: ['c1'] }))
        await store.treeEnded(hold, { ...exited, tree: 't-c2', code: 3 })
      })
      expect(calls).toEqual([
        { callId: 'c2', exec: { ended: 'exited', code: 3, signal: null } },
        { callId: 'c3', exec: { ended: 'lost', code: null, signal: null } },
        { callId: 'c4', exec: null },
      ])
    })

    it('of commands alone those that the callback may not have had the end of', async () => {
      const launch = async ({ store }: Scene, hold: Hold) => {
        await store.treeLaunched(hold, tree('t', { call: 'c' }))
        await store.treeEnded(hold, { ...exited, tree: 't' })
      }
      expect(await callsOf('returned', launch)).toEqual([])
      expect(await callsOf('cancelled', launch)).toMatchObject([{ callId: 'c', exec: { ended: 'exited' } }])
    })
  })
}
