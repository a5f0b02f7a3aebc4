import { describe, expect, it } from 'vitest'
import { noon, type OpenStore, Scene, stop, supervisorNamed, tree } from './scene.ts'

export function exerciseLists(open: OpenStore): void {
  describe('supervisors', () => {
    it('are told as registered, with their last renewal, until they close', async () => {
      const scene = await Scene.of(open)
      const second = await scene.supervisor('s2', { socket: null })
      await scene.store.renew('s1', noon + 3_000, noon)
      expect(await scene.store.supervisors()).toContainEqual(
        supervisorNamed('s1', { renewedAt: noon + 3_000, blockedSince: noon }),
      )
      await scene.store.renew('s1', noon + 1_000, null)
      expect(await scene.store.supervisors()).toEqual([
        second,
        supervisorNamed('s1', { renewedAt: noon + 3_000 }),
      ])
      await scene.store.unregister('s2', noon)
      await scene.store.unregister('s2', noon)
      expect(await scene.store.supervisors()).toHaveLength(1)
    })

    it('P9: stay known while they have a run, so that it is recovered', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      const hold = await scene.hold('a', 'k')
      await scene.admit('b', 'k', { supervisor: 's2' })
      await scene.store.unregister('s1', noon)
      await scene.store.unregister('s2', noon)
      expect((await scene.store.supervisors()).map(({ id }) => id)).toEqual(['s2', 's1'])
      await scene.finish(hold)
      await scene.store.unregister('s1', noon)
      expect((await scene.store.supervisors()).map(({ id }) => id)).toEqual(['s2'])
    })
  })

  describe('P10: lists', () => {
    it('tell what a run waits for, until it has ended', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      expect(await scene.store.run('a')).toMatchObject({ waits: [] })
      const waits = [{ what: 'a word', since: noon, until: null }]
      await scene.store.waits(hold, JSON.stringify(waits))
      expect(await scene.store.run('a')).toMatchObject({ waits })
      await scene.finish(hold)
      expect(await scene.store.run('a')).toMatchObject({ waits: [] })
    })

    it('tell runs by state, session and supervisor, the newest first', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2')
      await scene.pass('k')
      const stopping = await scene.hold('stopping', 'k')
      await scene.store.markStopping(stopping, stop(), noon)
      await scene.admit('waiting', 'k', { supervisor: 's2' })
      await scene.admit('gave up', 'k')
      await scene.store.endIfWaiting('gave up', 'busy', 'busy', noon)
      await scene.hold('elsewhere', 'l', { supervisor: 's2' })
      await scene.hold('free', null)
      const names = async (filter: Parameters<typeof scene.store.runs>[0]) =>
        (await scene.store.runs(filter)).map(({ id }) => id)
      expect(await names({})).toEqual(['free', 'elsewhere', 'gave up', 'waiting', 'stopping', 'pass-1'])
      expect(await names({ limit: 2 })).toEqual(['free', 'elsewhere'])
      expect(await names({ state: 'live' })).toEqual(['free', 'elsewhere', 'waiting', 'stopping'])
      expect(await names({ state: 'live', session: 'k' })).toEqual(['waiting', 'stopping'])
      expect(await names({ state: 'live', supervisor: 's2', limit: 1 })).toEqual(['elsewhere'])
      expect(await names({ state: 'waiting' })).toEqual(['waiting'])
      expect(await names({ state: 'stopping', supervisor: 's2' })).toEqual([])
      expect(await names({ state: 'succeeded' })).toEqual(['pass-1'])
      expect(await names({ state: 'refused', session: 'k' })).toEqual(['gave up'])
      expect(await names({ session: 'k' })).toEqual(['gave up', 'waiting', 'stopping', 'pass-1'])
      expect(await names({ session: 'k', limit: 2 })).toEqual(['gave up', 'waiting'])
      expect(await names({ session: 'k', supervisor: 's2' })).toEqual(['waiting'])
      expect(await names({ session: 'nobody' })).toEqual([])
    })

    it('find a rare run behind thousands of others', async () => {
      const scene = await Scene.of(open)
      await scene.finish(await scene.hold('rare', 'k'), { cause: 'threw' })
      for (let round = 0; round < 60; round++) {
        const holds = await Promise.all(
          Array.from({ length: 100 }, (_, at) => scene.hold(`r${round}-${at}`, at === 0 ? 'k' : `k${at}`)),
        )
        await Promise.all(holds.map((hold) => scene.finish(hold)))
      }
      expect(await scene.store.runs({ state: 'failed' })).toMatchObject([{ id: 'rare' }])
      expect(await scene.store.runs({ state: 'failed', session: 'k' })).toMatchObject([{ id: 'rare' }])
      expect(await scene.store.runs({ session: 'k', limit: 1_000 })).toHaveLength(61)
    })

    it('tell sessions with their holder and how many wait, the held ones first', async () => {
      const scene = await Scene.of(open)
      await scene.pass('idle')
      await scene.hold('a', 'k')
      await scene.admit('b', 'k')
      expect(await scene.store.sessions()).toEqual([
        {
          session: 'k',
          fence: 1,
          holder: { run: 'a', state: 'running', since: noon },
          waiting: 1,
          breaker: null,
        },
        { session: 'idle', fence: 1, holder: null, waiting: 0, breaker: null },
      ])
    })

    it('tell a tree as launched and as ended, its first end each time', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const { tree: name, root, at, ...launched } = tree('t')
      await scene.store.treeLaunched(hold, tree('t'))
      await scene.store.treeLaunched(hold, tree('t'))
      const stored = { tree: name, ...launched, root, launchedAt: at }
      expect(await scene.store.trees('a')).toEqual([{ ...stored, end: null }])
      const end = {
        tree: 't',
        code: null,
        signal: 'SIGKILL',
        ended: 'cancelled',
        proof: 'survivors',
        at,
      } as const
      const survivors = [{ pid: 7, startTime: '1', name: 'stubborn' }]
      await scene.store.treeEnded(hold, { ...end, survivors })
      await scene.store.treeEnded(hold, { ...end, survivors, ended: 'exited' })
      expect(await scene.store.trees('a')).toEqual([{ ...stored, end: { ...end, survivors } }])
      expect(await scene.store.trees('nothing')).toEqual([])
    })

    it('know no run, holder or session that is not there', async () => {
      const scene = await Scene.of(open)
      expect(await scene.store.run('nothing')).toBeNull()
      expect(await scene.store.holder('nobody')).toBeNull()
      expect(await scene.store.sessions()).toEqual([])
    })
  })

  describe('closing', () => {
    it('answers what was asked for before, and refuses what is asked for later', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      const last = scene.append(hold, 0, 'last')
      await scene.store.close()
      await scene.store.close()
      expect(typeof (await last)).toBe('string')
      await expect(scene.append(hold, 1, 'late')).rejects.toMatchObject({ code: 'supervisor_closed' })
      await expect(scene.store.run('a')).rejects.toMatchObject({ code: 'supervisor_closed' })
      const again = await scene.beside(open, 's2')
      expect(await again.store.transcript('k', {})).toMatchObject([{ entry: 'last' }])
    })
  })
}
