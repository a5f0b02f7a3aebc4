/**
 * Another program holds the state file for longer than the store has patience (10 s) just when a dead supervisor's
 * run is recovered. What waits for the session is a real command, whose log says when that patience was over.
 */
import { DatabaseSync } from 'node:sqlite'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { openObserver } from '#src/supervisor/host/observer.js'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, type Started, test } from '../support/scene.ts'

/** A run that holds a session with an entry and a stubborn tree. */
async function held(scene: Scene): Promise<{ host: Started; run: string }> {
  const host = scene.host('host-holds-a-session.mjs', ['held', 'kept'])
  return { host, run: await host.lines.after('ready ') }
}

function waitFor(scene: Scene): Started {
  return scene.coppice(['run', '--session', 'held', '--log-level', 'error', '--', 'echo', 'next'])
}

async function lockHere({ state }: Scene): Promise<AsyncDisposable> {
  const database = new DatabaseSync(state)
  await eventually(() => {
    database.exec('BEGIN EXCLUSIVE')
    return true
  })
  return { [Symbol.asyncDispose]: async () => database.close() }
}

/** Looks on, and recovers nothing itself. */
function look({ state }: Scene) {
  return openObserver({ state })
}

describe.concurrent('P2, P9: a state file that is locked while a dead supervisor is recovered', () => {
  test('after the claim: its tree is ended meanwhile, its lock is not released, and its ending is stored when it can be', async ({
    scene,
  }) => {
    const { host, run } = await held(scene)
    const waiter = waitFor(scene)
    const observer = await look(scene)
    await eventually(async () => (await observer.sessions())[0]?.waiting === 1)
    host.child.kill('SIGKILL')
    await host.died
    await eventually(async () => (await observer.sessions())[0]?.holder?.state === 'stopping')
    {
      // Within the five seconds that its guard leaves its tree: another program might take as long to start.
      await using _lock = await lockHere(scene)
      await waiter.errors.with('could not store the ending; trying again')
      expect(scene.living()).toEqual([])
      expect(await observer.sessions()).toMatchObject([{ holder: { run, state: 'stopping' }, waiting: 1 }])
      expect(await observer.transcript('held')).toMatchObject([{ entry: 'kept' }])
    }
    expect(await waiter.exited).toMatchObject({ code: 0, stdout: 'next\n' })
    expect(await observer.transcript('held')).toMatchObject([
      { run, entry: 'kept' },
      { run, outcome: { state: 'lost', forced: true } },
      { outcome: { state: 'succeeded' } },
    ])
    await observer.close()
  })

  test.skipIf(bestHere.containment === 'group')(
    'P10: before a launch is recorded: what its guard did is told all the same',
    async ({ scene }) => {
      const host = scene.host('host-launches-on-a-word.mjs', [], { stdin: 'pipe' })
      const run = await host.lines.after('admitted ')
      {
        await using _lock = await scene.lockState()
        host.child.stdin?.write('go on\n')
        await host.lines.with('ready')
        host.child.kill('SIGKILL')
        await host.died
        await eventually(() => scene.guards().length === 0)
      }
      const supervisor = await openSupervisor({ state: scene.state })
      const outcome = await eventually(async () => (await supervisor.show(run))?.outcome)
      expect(outcome).toMatchObject({ state: 'lost', forced: true, trees: 1, tree: { survivors: [] } })
      await supervisor.close()
    },
  )

  test('before the claim: nothing is changed meanwhile, and the recovery is begun again', async ({
    scene,
  }) => {
    const { host, run } = await held(scene)
    const waiter = waitFor(scene)
    const observer = await look(scene)
    await eventually(async () => (await observer.sessions())[0]?.waiting === 1)
    {
      await using _lock = await scene.lockState()
      host.child.kill('SIGKILL')
      await waiter.errors.with('could not recover what a supervisor left')
      // Guards end its tree whatever the store does; what cannot be written is that anything has ended.
      expect(await observer.sessions()).toMatchObject([{ holder: { run, state: 'running' }, waiting: 1 }])
    }
    expect(await waiter.exited).toMatchObject({ code: 0, stdout: 'next\n' })
    expect(scene.living()).toEqual([])
    expect(await observer.transcript('held')).toMatchObject([
      { run, entry: 'kept' },
      { run, outcome: { state: 'lost', forced: true } },
      { outcome: { state: 'succeeded' } },
    ])
    await observer.close()
  })
})
