import { type Outcome, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { startTimeOf } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe('several processes with one state file', () => {
  test('P1: two processes and one session: strictly one at a time, each in the order it asked', async ({
    scene,
  }) => {
    const hosts = ['left', 'right'].map((name) => scene.host('host-counts-in-turn.mjs', [name, '20']))
    for (const host of hosts) expect(await host.exited).toMatchObject({ code: 0, stderr: '' })
    const supervisor = await openSupervisor({ state: scene.state })
    const transcript = await supervisor.transcript('shared')
    const fences = transcript.filter(({ kind }) => kind === 'ending').map(({ fence }) => fence)
    expect(fences).toHaveLength(40)
    expect(fences).toEqual([...fences].sort((a, b) => a - b))
    for (let i = 0; i < transcript.length; i += 3) {
      const [enter, leave, ending] = transcript.slice(i, i + 3)
      expect([enter?.kind, leave?.kind, ending?.kind]).toEqual(['entry', 'entry', 'ending'])
      expect(new Set([enter?.run, leave?.run, ending?.run]).size, 'entries of one run stand together').toBe(1)
    }
    // First in, first out: a run that asked earlier was admitted earlier.
    const runs = (await supervisor.runs({ session: 'shared', limit: 100 })).sort(
      (a, b) => (a.fence ?? 0) - (b.fence ?? 0),
    )
    for (const name of ['left', 'right']) {
      const own = runs
        .filter(({ request }) => request?.startsWith(name))
        .map(({ request }) => Number(request?.split('-')[1]))
      expect(own).toEqual(Array.from({ length: 20 }, (_, i) => i))
    }
    await supervisor.close()
  })

  test('case 30, P9: a supervisor that was killed: the next run takes its session over at once and sweeps its trees', async ({
    scene,
  }) => {
    const dead = scene.host('host-holds-a-session.mjs', ['held'])
    const run = await dead.lines.after('ready ')
    await eventually(() => scene.living().length >= 3)
    dead.child.kill('SIGKILL')
    await dead.died
    expect(scene.living().length, 'without coppice the tools live on').toBeGreaterThanOrEqual(3)

    const supervisor = await openSupervisor({ state: scene.state })
    const living = await supervisor.run({ session: 'held' }, () => scene.living())
    expect(living, 'the old trees were dead before the new run began').toEqual([])
    const lost = await supervisor.show(run)
    expect(lost?.outcome).toMatchObject({
      state: 'lost',
      cause: 'lost',
      callback: 'left_behind',
      forced: true,
      tree: { survivors: [], proof: bestHere.proof },
    })
    expect(await supervisor.transcript('held')).toMatchObject([
      { run, outcome: { state: 'lost' } },
      { kind: 'ending' },
    ])
    await supervisor.close()
  })

  test('P9: a waiter in another process takes a dead holder’s session over, without a new open', async ({
    scene,
  }) => {
    const dead = scene.host('host-holds-a-session.mjs', ['held'])
    await dead.lines.after('ready ')
    const supervisor = await openSupervisor({ state: scene.state })
    const waiter = supervisor.start({ session: 'held' }, (run) => run.fence)
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    dead.child.kill('SIGKILL')
    expect(await waiter.result).toBeGreaterThan(1)
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('cancelled from another process: the reason arrives and the canceller gets the outcome', async ({
    scene,
  }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    const run = await host.lines.after('ready ')
    const supervisor = await openSupervisor({ state: scene.state })
    const outcome = await supervisor.cancel({ session: 'held' }, { reason: 'enough', grace: 100 })
    expect(outcome).toMatchObject({ run, state: 'cancelled', message: 'enough', forced: true })
    expect(scene.living()).toEqual([])
    await expect(supervisor.cancel({ session: 'held' })).rejects.toMatchObject({ code: 'run_ended' })
    await supervisor.close()
  })

  test('case 20, P4, P7: a blocked host: its run ends on time as seen from outside, and its other session’s tree lives on', async ({
    scene,
  }) => {
    const host = scene.host('host-blocks-its-loop.mjs')
    const other = Number(await host.lines.after('other '))
    const blocked = Number(await host.lines.after('blocking '))
    const supervisor = await openSupervisor({ state: scene.state })
    const begun = performance.now()
    const outcome = await eventually<Outcome | null>(
      async () => (await supervisor.runs({ session: 'blocked' }))[0]?.outcome ?? null,
      { within: 15_000 },
    )
    // 5 s, then at most grace, kill bound and drain bound: 3 s.
    expect(performance.now() - begun).toBeLessThan(15_000)
    expect(outcome).toMatchObject({ state: 'timed_out', callback: 'left_behind', forced: true })
    expect(startTimeOf(blocked)).toBeNull()
    expect(startTimeOf(other)).not.toBeNull()
    expect(host.lines.all).not.toContain('free')
    expect(await supervisor.run({ session: 'blocked', ifBusy: 'refuse' }, () => 'free')).toBe('free')
    await supervisor.cancel({ session: 'other' }, { grace: 0 })
    await supervisor.close()
  })

  test('a process that closes nothing exits by itself when nothing is under way', async ({ scene }) => {
    const host = scene.host('host-leaves-nothing-open.mjs')
    expect(await host.exited).toMatchObject({ code: 0, stdout: 'alone / in a run\n', stderr: '' })
  })
})

describe('handleSignals', () => {
  test('a signal ends the runs with their grace, and the host then dies of that signal', async ({
    scene,
  }) => {
    const host = scene.host('host-handles-signals.mjs', ['3s', '{ "within": "1m" }'])
    await host.lines.after('ready')
    host.child.kill('SIGTERM')
    const { signal, stdout } = await host.exited
    expect(signal).toBe('SIGTERM')
    expect(stdout).toBe('ready\nheard\nended run_cancelled\n')
  })

  test('case 6: a second signal skips the grace', async ({ scene }) => {
    const host = scene.host('host-handles-signals.mjs', ['10m', '{ "within": "10m" }'])
    await host.lines.after('ready')
    host.child.kill('SIGTERM')
    await host.lines.after('heard')
    host.child.kill('SIGINT')
    expect(await host.exited).toMatchObject({ signal: 'SIGTERM' })
  })
})
