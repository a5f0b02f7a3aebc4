import { openSupervisor, type Run } from 'coppice'
import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

/** A command that lives until its stdin ends. */
const cat = (run: Run) => run.exec('cat', [], { stdio: ['pipe', 'pipe', 'pipe'] })

/** Whether a command has been launched, as far as its caller has been told. */
function watched(command: ReturnType<typeof cat>) {
  const seen = { launched: false }
  command.pid.then(
    () => {
      seen.launched = true
    },
    () => {},
  )
  return seen
}

describe('P7: a budget of trees', () => {
  test('launches over it wait in order; none of them runs before another has ended', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 2 } })
    await supervisor.run({ session: 'k' }, async (run) => {
      const [first, second, third] = [cat(run), cat(run), cat(run)]
      const fourth = supervisor.start({}, async (other) => (await other.exec('echo', ['fourth'])).stdout)
      await Promise.all([first.pid, second.pid])
      const seen = watched(third)
      await run.append('a turn of the keeper')
      expect(seen.launched).toBe(false)
      expect(await supervisor.trees(run.id)).toHaveLength(2)
      second.stdin?.end()
      await third.pid
      expect(await supervisor.trees(fourth.id), 'it came later').toEqual([])
      third.stdin?.end()
      expect(await fourth.result).toBe('fourth\n')
      first.stdin?.end()
      expect(await Promise.all([first, second, third])).toMatchObject([
        { ok: true },
        { ok: true },
        { ok: true },
      ])
    })
    await supervisor.close()
  })

  test('one that waits is cancelled without having run, and its timeout does not run yet', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 } })
    await supervisor.run({}, async (run) => {
      const holder = run.exec('sleep', ['600'], { timeout: '5s', grace: 0 })
      const cancelled = run.exec('touch', [`${scene.folder}/ran`])
      const patient = run.exec('sh', ['-c', 'echo ran'], { timeout: '4s' })
      expect(await cancelled.cancel()).toMatchObject({
        ok: false,
        ended: 'cancelled',
        exit: { code: null, signal: null },
        tree: { proof: 'empty', killed: 0 },
        stdout: '',
      })
      await expect(cancelled.pid).rejects.toMatchObject({ code: 'launch_failed' })
      expect(await holder).toMatchObject({ ended: 'timed_out' })
      expect(await patient).toMatchObject({ ok: true, stdout: 'ran\n' })
      // A tree’s record is nobody’s to wait for; what its run writes afterwards is stored after it.
      await run.append('after them')
      expect(await supervisor.trees(run.id)).toHaveLength(2)
    })
    await expect(import('node:fs/promises').then(({ stat }) => stat(`${scene.folder}/ran`))).rejects.toThrow()
    await supervisor.close()
  })

  test('P4: one that waits ends with its run, at once', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 } })
    await supervisor.run({}, async (other) => {
      const holder = cat(other)
      await holder.pid
      const run = supervisor.start({ grace: '20s' }, async (run) => {
        const waits = cat(run)
        await expect(waits).rejects.toMatchObject({ code: 'run_cancelled', run: run.id })
        await expect(waits.pid).rejects.toMatchObject({ code: 'run_cancelled' })
      })
      await eventually(() => run.state === 'running')
      const { durationMs } = await run.cancel()
      expect(durationMs).toBeLessThan(10_000)
      expect(await run.outcome).toMatchObject({ state: 'cancelled', callback: 'settled', trees: 0 })
      holder.stdin?.end()
      expect(await holder).toMatchObject({ ok: true })
    })
    await supervisor.close()
  })

  test('a launch that fails leaves its place to the next', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 } })
    await supervisor.run({}, async (run) => {
      const failed = run.exec('/does/not/exist')
      const next = run.exec('true')
      await expect(failed).rejects.toMatchObject({ code: 'command_not_found' })
      expect(await next).toMatchObject({ ok: true })
    })
    await supervisor.close()
  })
})

describe('P7: a budget of a session’s trees', () => {
  test('is its own: what waits for it holds up no other session', async ({ scene }) => {
    const sessionBudget = (session: string) => ({ trees: session === 'small' ? 1 : 2 })
    const supervisor = await openSupervisor({ state: scene.state, sessionBudget, budget: { trees: 3 } })
    await supervisor.run({ session: 'small' }, async (run) => {
      const holder = cat(run)
      const waits = cat(run)
      await holder.pid
      const seen = watched(waits)
      const elsewhere = await supervisor.run({ session: 'other' }, async (other) => {
        const both = [cat(other), cat(other)]
        await Promise.all(both.map(({ pid }) => pid))
        for (const { stdin } of both) stdin?.end()
        return (await Promise.all(both)).every(({ ok }) => ok)
      })
      expect(elsewhere).toBe(true)
      expect(seen.launched).toBe(false)
      holder.stdin?.end()
      await waits.pid
      waits.stdin?.end()
      expect(await waits).toMatchObject({ ok: true })
    })
    await supervisor.close()
  })

  test('P4: what only the run’s own end could launch is refused as a deadlock, before and while it waits', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 }, grace: '100ms' })
    const lingers = { linger: 'until-run-ends' } as const
    await supervisor.run({ session: 'k' }, async (run) => {
      const server = run.exec('sh', ['-c', 'sleep 600 & read line'], {
        ...lingers,
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      await server.pid
      const waits = run.exec('true')
      const asked = Promise.withResolvers<void>()
      const below = run.subagent({}, async (sub) => {
        const tool = sub.exec('true')
        asked.resolve()
        await tool
      })
      await asked.promise
      await run.append('a turn of the keeper')
      // Until here its root may still exit by itself, with nothing left.
      server.stdin?.end('\n')
      expect((await server).tree.lingered).toHaveLength(1)
      for (const stuck of [waits, below]) await expect(stuck).rejects.toMatchObject({ code: 'deadlock' })
      await expect(run.exec('true')).rejects.toMatchObject({ code: 'deadlock' })
    })
    expect(await supervisor.run({ session: 'k' }, async (run) => (await run.exec('true')).ok)).toBe(true)
    await supervisor.close()
  })
})

describe.for(kindsHere.filter((kind) => kind === 'guard'))(
  'P10: limits of a session, by %s',
  (containment) => {
    test('hold each of its trees where nothing can sum them up, and the error says the value', async ({
      scene,
    }) => {
      const sessionBudget = { limits: { pids: 5 } }
      const supervisor = await openSupervisor({ state: scene.state, containment, sessionBudget })
      const forks = 'for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; wait'
      await supervisor.run({ session: 'k' }, async (run) => {
        const result = await run.exec('sh', ['-c', forks], { limits: { pids: 100 } })
        expect(result).toMatchObject({ ended: 'over_limit', tree: { exceeded: 'pids' } })
        expect(() => result.orThrow()).toThrowError('over its pids limit of 5')
        const smaller = await run.exec('sh', ['-c', forks], { limits: { pids: 3 } })
        expect(() => smaller.orThrow()).toThrowError('over its pids limit of 3')
      })
      await supervisor.close()
    })
  },
)
