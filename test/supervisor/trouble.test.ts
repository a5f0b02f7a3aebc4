import { renameSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { self } from '#src/containment/processes/processes.js'
import { eventually } from '../support/eventually.ts'
import { heldBy } from '../support/owners.ts'
import { fixture, test } from '../support/scene.ts'

async function errorOf(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
}

describe('every promise settles, and no session stays held', () => {
  test('a close right after the start: the run ends, whether it was admitted or not', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '100ms' })
    const handle = supervisor.start({ session: 'a' }, () => new Promise(() => {}))
    await supervisor.close()
    expect(await handle.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown' })
    expect(await errorOf(handle.result)).toMatchObject({ code: 'run_cancelled' })
    const next = await openSupervisor({ state: scene.state })
    expect(await next.run({ session: 'a', ifBusy: 'refuse' }, () => 'free')).toBe('free')
    await next.close()
  })

  test('a waiter that slept through its turn, longer than its lease, gets the session when it wakes', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const holder = await supervisor.begin({ session: 'a' })
    const waiter = scene.host('host-waits.mjs')
    await waiter.lines.after('open')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    waiter.child.kill('SIGSTOP')
    const stoppedAt = performance.now()
    await eventually(() => performance.now() - stoppedAt > 1500)
    await holder.end()
    expect(await supervisor.sessions(), 'passed over').toMatchObject([{ holder: null, waiting: 1 }])
    waiter.child.kill('SIGCONT')
    expect(await waiter.lines.after('admitted ')).toBe('2')
    expect(await waiter.exited).toMatchObject({ code: 0 })
    await supervisor.close()
  })

  test('a cancel from another process arrives without the socket as well', async ({ scene }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    await host.lines.after('ready ')
    rmSync(`${scene.folder}/coppice`, { recursive: true, force: true })
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await supervisor.cancel({ session: 'held' }, { grace: 0 })).toMatchObject({ state: 'cancelled' })
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('what a callback throws cannot keep its run from ending, whatever it is', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const strange = new Error('x')
    Object.defineProperty(strange, 'status', {
      get: () => {
        throw new Error('not even this')
      },
    })
    const things = [
      undefined,
      null,
      Symbol('s'),
      Object.create(null),
      strange,
      Object.assign(new Error('x'), { message: () => 1 }),
      Object.assign(new Error('x'), { message: { error: new Map() } }),
    ]
    for (const thing of things) {
      const handle = supervisor.start({ session: 'a' }, () => {
        throw thing
      })
      expect(await handle.outcome).toMatchObject({ state: 'failed', cause: 'threw' })
    }
    await supervisor.close()
  })

  test('a cancel is checked: its grace is a duration and its reason a text', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    expect(await errorOf(run.cancel({ grace: -1 }))).toMatchObject({ code: 'invalid_option' })
    expect(await errorOf(run.cancel({ reason: { why: 1 } as unknown as string }))).toMatchObject({
      code: 'invalid_option',
    })
    const ended = run.cancel({ grace: 0.5, reason: 'now' })
    expect(await ended).toMatchObject({ state: 'cancelled', message: 'now' })
    await supervisor.close()
  })

  test('grace without bound and a close with one: the tree is ended in that time', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: Number.POSITIVE_INFINITY })
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      const tool = run.exec('bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 600; done'])
      for await (const line of tool) await run.append(line)
    })
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    await supervisor.close({ within: '8s' })
    expect(await handle.outcome).toMatchObject({ state: 'cancelled', forced: true, tree: { survivors: [] } })
    expect(scene.living()).toEqual([])
  })

  test('a state file that is away: admission fails typed, the outcome settles, and work goes on when it is back', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'a' }, () => 1)
    const away = `${scene.state}.away`
    renameSync(scene.state, away)
    const handle = supervisor.start({ session: 'a' }, () => 2)
    expect(await errorOf(handle.result)).toMatchObject({ code: 'store_unavailable', path: scene.state })
    expect(await handle.outcome).toMatchObject({ state: 'lost', fence: null })
    renameSync(away, scene.state)
    expect(await supervisor.run({ session: 'a' }, () => 3)).toBe(3)
    await supervisor.close()
  })

  test('a file locked by another program: the ending waits for it, and nothing is released before', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    let unlocked = false
    const endedUnlocked = async () => {
      const outcome = await run.end()
      return { outcome, unlocked }
    }
    let ended: ReturnType<typeof endedUnlocked>
    {
      await using _lock = await scene.lockState()
      ended = endedUnlocked()
      expect(await supervisor.sessions()).toMatchObject([{ state: 'held', holder: { run: run.id } }])
      unlocked = true
    }
    expect(await ended).toMatchObject({ outcome: { state: 'succeeded' }, unlocked: true })
    await supervisor.close()
  })

  test('a second close in a hurry while the file is locked ends the runs and keeps their cause', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const holder = supervisor.start({ session: 'a' }, () => new Promise(() => {}))
    const waiter = supervisor.start({ session: 'a' }, () => 1)
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    {
      await using _lock = await scene.lockState()
      void supervisor.close()
      void supervisor.close({ within: '9s' })
    }
    await supervisor.close()
    expect(await holder.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown' })
    expect(await waiter.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown' })
  })

  test('a supervisor of this process that was closed in the middle of a recovery is recovered by the next', async ({
    scene,
  }) => {
    const dead = scene.host('host-holds-a-session.mjs', ['held'])
    await dead.lines.after('ready ')
    dead.child.kill('SIGKILL')
    await dead.died
    const first = await openSupervisor({ state: scene.state })
    await first.close({ within: 0 })
    const second = await openSupervisor({ state: scene.state })
    expect(await second.run({ session: 'held' }, () => scene.living())).toEqual([])
    await second.close()
  })

  test('P5, P8: a close in the middle of a recovery: the caller that would not wait is told of its run’s ending', async ({
    scene,
  }) => {
    const dead = scene.host('host-of-a-patient-tree.mjs', ['12s'])
    await dead.lines.after('ready')
    // It looks for the dead when it has something that waits.
    const first = await openSupervisor({ state: scene.state })
    dead.child.kill('SIGKILL')
    await dead.died
    const handle = first.start({ session: 'a', ifBusy: 'refuse' }, () => 'ran')
    await eventually(async () => (await first.runs({ state: 'waiting' })).length === 1)
    await first.close({ within: '3s' })
    expect(await handle.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown' })
    expect(await errorOf(handle.result)).toMatchObject({ code: 'run_cancelled' })
    const second = await openSupervisor({ state: scene.state })
    expect(await second.run({ session: 'a' }, () => scene.living())).toEqual([])
    await second.close()
  })

  test('P8: a holder that cannot be recovered: who would not wait is refused, and does not stay in the queue', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, logLevel: 'silent' })
    await heldBy(scene, { ...(await self()), startTime: '1' })
    const database = new DatabaseSync(scene.state)
    try {
      database.exec('PRAGMA busy_timeout = 5000')
      database.exec(`CREATE TRIGGER refuses BEFORE UPDATE OF supervisor ON runs WHEN old.id = 'held'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
      const refused = supervisor.run({ session: 'k', ifBusy: 'refuse' }, () => 'ran')
      expect(await errorOf(refused)).toMatchObject({ code: 'session_busy', holder: 'held' })
      expect(await supervisor.runs({ state: 'waiting' })).toEqual([])
      database.exec('DROP TRIGGER refuses')
    } finally {
      database.close()
    }
    expect(await supervisor.run({ session: 'k', wait: '20s' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  test('P5: a signal that is aborted while nobody can cancel what waits ends the run when it has its session', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, logLevel: 'silent' })
    const holder = await supervisor.begin({ session: 'a' })
    const aborter = new AbortController()
    const waits = supervisor.start(
      { session: 'a', signal: aborter.signal, timeout: '5s', grace: 0 },
      () => new Promise(() => {}),
    )
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    const database = new DatabaseSync(scene.state)
    try {
      database.exec('PRAGMA busy_timeout = 5000')
      database.exec(`CREATE TRIGGER refuses BEFORE UPDATE OF state ON runs WHEN new.state = 'cancelled'
        BEGIN SELECT RAISE(ABORT, 'not now'); END`)
      aborter.abort()
      // In order: by then the signal's own was refused as well.
      await expect(waits.cancel()).rejects.toThrow('not now')
      database.exec('DROP TRIGGER refuses')
    } finally {
      database.close()
    }
    await holder.end()
    expect(await waits.outcome).toMatchObject({ state: 'cancelled', fence: 2 })
    await supervisor.close()
  })

  test('a log that nobody reads, and whose pipe is closed in the end: the runs go on', async ({ scene }) => {
    const host = scene.host('host-logs-much.mjs')
    host.child.stderr?.pause()
    await host.lines.after('run 2000')
    host.child.stderr?.destroy()
    const { code, stdout, stderr } = await host.exited
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'run 1000\nrun 2000\nrun 3000\nclosed\n' })
    expect(stderr.length, 'what was read of more than 2 MB').toBeLessThan(500_000)
  })

  test('a log on a full disk: the runs go on', async ({ scene }) => {
    const host = scene.bash('exec "$@" 2> /dev/full', [process.execPath, fixture('host-logs-much.mjs')])
    const { code, stdout } = await host.exited
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'run 1000\nrun 2000\nrun 3000\nclosed\n' })
  })

  test('two supervisors that handle signals: one signal leaves each its grace', async ({ scene }) => {
    const host = scene.host('host-of-two-supervisors.mjs')
    await host.lines.after('ready')
    host.child.kill('SIGTERM')
    expect(await host.exited).toMatchObject({
      signal: 'SIGTERM',
      stdout: expect.stringContaining('cleaned up'),
    })
  })
})
