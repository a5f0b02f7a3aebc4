import { describe, expect, it } from 'vitest'
import type { BreakerRules } from '#src/runs/breaker.js'
import type { Hold } from '#src/store/records.js'
import { noon, type OpenStore, Scene, stop } from './scene.ts'

const cooldown = 60_000
const breaker: BreakerRules = { failures: 2, cooldown, counts: ['stalled', 'timed_out', 'lost'] }
const minute = 60_000

/** Case 35: what the store remembers of a session's failures, and whom it refuses for them. */
export function exerciseBreaker(open: OpenStore): void {
  describe('case 35: the breaker of a session', () => {
    it('opens with the last of so many failures in a row, and refuses with since when, why, and until when', async () => {
      const scene = await Scene.of(open)
      await fails(scene, 'a', { breaker })
      expect(await scene.store.breaker('k')).toMatchObject({ failures: 1, opened: null })
      await fails(scene, 'b', { breaker })
      expect(await scene.store.breaker('k')).toEqual({
        rules: breaker,
        failures: 2,
        opened: {
          since: noon + 5_000,
          why: '2 failures in a row, the last of run b, which ended as timed_out',
          retryAt: noon + 5_000 + cooldown,
          trial: null,
        },
      })
      const refused = await scene.admit('c', 'k', { at: noon + 6_000 })
      expect(refused).toMatchObject({
        state: 'refused',
        holder: null,
        queueLength: 0,
        breaker: { opened: { since: noon + 5_000, retryAt: noon + 65_000 } },
        outcome: { run: 'c', session: 'k', state: 'refused', cause: 'breaker_open', fence: null },
      })
      expect((await scene.store.run('c'))?.outcome).toMatchObject({ cause: 'breaker_open' })
      expect(await scene.store.sessions()).toMatchObject([{ session: 'k', breaker: { failures: 2 } }])
      expect(await scene.admit('d', 'l', { breaker }), 'another session').toMatchObject({ state: 'running' })
      expect(await scene.admit('e', null, { breaker }), 'no session').toMatchObject({ state: 'running' })
    })

    it('counts nothing without rules, and what they do not name, which ends the row', async () => {
      const scene = await Scene.of(open)
      for (const run of ['a', 'b', 'c']) await fails(scene, run, {})
      expect(await scene.store.breaker('k')).toBeNull()
      await fails(scene, 'd', { breaker })
      await scene.finish(await scene.hold('e', 'k', { breaker }), { cause: 'threw', message: '529' })
      expect(await scene.store.breaker('k'), 'a provider’s error shows that the session moves').toBeNull()
      await fails(scene, 'f', { breaker })
      await scene.finish(await scene.hold('g', 'k', { breaker }), { cause: 'cancelled' })
      expect(await scene.store.breaker('k'), 'a cancel shows nothing').toMatchObject({ failures: 1 })
      await scene.finish(await scene.hold('h', 'k'))
      expect(await scene.store.breaker('k'), 'also by a run without rules').toBeNull()
      const told = { ...breaker, failures: 1, counts: ['failed'] as const }
      await scene.finish(await scene.hold('i', 'k', { breaker: told }), { cause: 'threw' })
      expect(await scene.store.breaker('k'), 'unless told').toMatchObject({ opened: { trial: null } })
    })

    it('lets one run try the session out after the cooldown, and refuses the others meanwhile', async () => {
      const scene = await opened(open)
      const trial = await scene.hold('trial', 'k', { at: noon + 2 * minute })
      expect(await scene.admit('trial', 'k', { at: noon + 2 * minute }), 'asked again').toMatchObject({
        state: 'running',
      })
      const other = await scene.admit('other', 'k', { at: noon + 2 * minute })
      expect(other).toMatchObject({ state: 'refused', breaker: { opened: { trial: 'trial' } } })
      await scene.finish(trial, { at: noon + 3 * minute })
      expect(await scene.store.breaker('k')).toBeNull()
      expect(await scene.admit('next', 'k', { at: noon + 3 * minute })).toMatchObject({ state: 'running' })
    })

    it('opens anew with a trial that fails, for another cooldown, by its rules where the trial brings none', async () => {
      const scene = await opened(open)
      const trial = await scene.hold('trial', 'k', { at: noon + 2 * minute })
      await scene.finish(trial, { cause: 'timed_out', at: noon + 3 * minute })
      expect(await scene.store.breaker('k')).toMatchObject({
        failures: 3,
        opened: { since: noon + 5_000, retryAt: noon + 3 * minute + cooldown, trial: null },
      })
      const early = await scene.admit('early', 'k', { at: noon + 3 * minute + cooldown - 1 })
      expect(early).toMatchObject({ state: 'refused', outcome: { cause: 'breaker_open' } })
    })

    it('stays open after a trial that was cancelled, and lets the next try at once', async () => {
      const scene = await opened(open)
      const at = noon + 2 * minute
      await scene.finish(await scene.hold('trial', 'k', { at }), { cause: 'cancelled', at })
      expect(await scene.store.breaker('k')).toMatchObject({ opened: { trial: null } })
      expect(await scene.admit('next', 'k', { at })).toMatchObject({ state: 'running' })
      expect(await scene.admit('other', 'k', { at })).toMatchObject({ state: 'refused' })
    })

    it('P9: counts a run whose owner died as lost, by the rules that it brought, and so a trial', async () => {
      const scene = await Scene.of(open)
      await scene.supervisor('s2', { renewedAt: noon + 10 * minute })
      await lose(scene, await scene.hold('a', 'k', { breaker: { ...breaker, failures: 1 } }))
      expect(await scene.store.breaker('k')).toMatchObject({
        opened: { why: '1 failure, the last of run a, which ended as lost' },
      })
      await lose(scene, await scene.hold('trial', 'k', { at: noon + 2 * minute }))
      expect(await scene.store.breaker('k')).toMatchObject({ failures: 2, opened: { trial: null } })
    })

    it('P8: refuses those that wait when it opens, each with its ending, in one step', async () => {
      const scene = await Scene.of(open)
      const other = await scene.beside(open, 's2')
      const hold = await scene.hold('a', 'k', { breaker: { ...breaker, failures: 1 } })
      await scene.admit('b', 'k')
      await other.admit('c', 'k', { supervisor: 's2', priority: 'background' })
      await scene.admit('elsewhere', 'l')
      const { admitted, refused } = await scene.finish(hold, { cause: 'timed_out' })
      expect(admitted).toBeNull()
      expect(refused).toEqual([
        { run: 'b', socket: '/run/s1' },
        { run: 'c', socket: '/run/s2' },
      ])
      for (const run of ['b', 'c'])
        expect((await scene.store.run(run))?.outcome).toMatchObject({
          state: 'refused',
          cause: 'breaker_open',
          message: expect.stringContaining('the last of run a'),
        })
      expect(await scene.store.queueLength('k')).toBe(0)
      expect(await scene.stateOf('elsewhere')).toBe('running')
    })

    it('judges each by the rules that it brought: a waiter’s count from its own turn on', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k')
      await scene.admit('b', 'k', { breaker: { ...breaker, failures: 1 } })
      expect(await scene.finish(hold, { cause: 'timed_out' })).toMatchObject({ admitted: { run: 'b' } })
      await scene.finish({ run: 'b', supervisor: 's1', fence: 2 }, { cause: 'timed_out' })
      expect(await scene.store.breaker('k')).toMatchObject({ failures: 1, opened: { trial: null } })
    })

    it('is closed by an operator, from wherever, and forgets', async () => {
      const scene = await opened(open)
      const other = await scene.beside(open, 's2')
      expect(await other.store.closeBreaker('k')).toMatchObject({ failures: 2, opened: { trial: null } })
      expect(await other.store.closeBreaker('k'), 'the same again').toBeNull()
      expect(await other.store.closeBreaker('unknown')).toBeNull()
      const hold = await scene.hold('next', 'k')
      await scene.finish(hold, { cause: 'timed_out' })
      expect(await scene.store.breaker('k')).toBeNull()
    })

    it('is closed by an operator while a trial is under way, whose end is an ordinary one then', async () => {
      const scene = await opened(open)
      const trial = await scene.hold('trial', 'k', { at: noon + 2 * minute })
      await scene.store.closeBreaker('k')
      await scene.store.renew('s1', noon + 3 * minute, null)
      expect(await scene.admit('waits', 'k', { at: noon + 2 * minute })).toMatchObject({ state: 'waiting' })
      const { admitted } = await scene.finish(trial, { cause: 'timed_out', at: noon + 3 * minute })
      expect(admitted).toMatchObject({ run: 'waits' })
      expect(await scene.store.breaker('k')).toBeNull()
    })

    it('P5: goes by the cause that is stored, not by what the ending says', async () => {
      const scene = await Scene.of(open)
      const hold = await scene.hold('a', 'k', { breaker: { ...breaker, failures: 1 } })
      await scene.store.markStopping(hold, stop(), noon)
      await scene.finish(hold, { cause: 'timed_out' })
      expect(await scene.store.breaker('k')).toBeNull()
    })
  })
}

async function fails(scene: Scene, run: string, over: { breaker?: BreakerRules }): Promise<void> {
  await scene.finish(await scene.hold(run, 'k', over), { cause: 'timed_out' })
}

/** A session whose breaker opened five seconds after noon. */
async function opened(open: OpenStore): Promise<Scene> {
  const scene = await Scene.of(open)
  for (const run of ['a', 'b']) await fails(scene, run, { breaker })
  return scene
}

async function lose(scene: Scene, { run }: Hold): Promise<void> {
  const seen = await scene.store.run(run)
  const claim = seen && (await scene.store.takeOverIfUnchanged(seen, 's2', noon))
  if (claim === null) expect.fail('not claimed')
  await scene.finish(claim, { cause: 'lost' })
}
