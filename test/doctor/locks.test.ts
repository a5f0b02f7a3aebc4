import { hostname } from 'node:os'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { self } from '#src/containment/processes/processes.js'
import type { Identity } from '#src/identity.js'
import { openStore } from '#src/store/open.js'
import { admission, supervisorNamed } from '../store/scene.ts'
import { nameOf } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { heldBy, zombie } from '../support/owners.ts'
import { isRecorded } from '../support/recorded.ts'
import { type Scene, test } from '../support/scene.ts'
import { doctor, freezeBetweenWrites, mendOnce, troubleIn } from './examining.ts'

const isLinux = process.platform === 'linux'

describe.skipIf(!isLinux)('case 37: stale locks', () => {
  test.for([
    {
      pidState: 'gone',
      async owner(scene: Scene, me: Identity) {
        const { pid, lines, died } = scene.bash('cut -d" " -f22 /proc/$$/stat')
        const startTime = await lines.after('')
        await died
        await eventually(() => nameOf(pid) === '')
        return { ...me, pid, startTime }
      },
    },
    {
      pidState: 'zombie',
      owner: async (scene: Scene, me: Identity) => ({ ...me, ...(await zombie(scene)) }),
    },
    {
      pidState: 'reused',
      owner: async (_: Scene, me: Identity) => ({ ...me, startTime: String(Number(me.startTime) - 1) }),
    },
    { pidState: 'rebooted', owner: async (_: Scene, me: Identity) => ({ ...me, bootId: 'another' }) },
  ])(
    'of an owner that is $pidState: listed with holder, state, age and verdict, and mended once, by --fix alone',
    async ({ pidState, owner }, { scene }) => {
      const identity = await owner(scene, await self())
      await heldBy(scene, identity, { at: Date.now() - 60_000, runs: ['held', 'waits'] })
      const expected = {
        session: 'k',
        pidState,
        verdict: 'dead',
        holder: { supervisor: 'owner', host: hostname(), pid: identity.pid },
      }
      for (let look = 0; look < 2; look++) {
        const found = await doctor(scene)
        expect(found).toMatchObject({ code: 1, healthy: false })
        expect(found.of('locks').map(({ facts }) => facts)).toMatchObject([
          { run: 'held', state: 'running', ...expected },
          { run: 'waits', state: 'waiting', ...expected },
        ])
        expect(found.of('locks')[0]).toMatchObject({
          severity: 'error',
          found: expect.stringMatching(
            /^session k is held by run held, running for 1m: its supervisor, pid \d+, is /,
          ),
          mends: 'coppice doctor --fix',
          fixable: true,
        })
        for (const { facts } of found.of('locks')) expect(facts.ageMs).toBeGreaterThanOrEqual(60_000)
      }
      const mended = await mendOnce(scene, 'locks')
      expect([...mended].sort()).toEqual(
        ['ended run held as lost and freed session k', 'ended run waits as lost and freed session k'].sort(),
      )
      const supervisor = await openSupervisor({ state: scene.state })
      expect(await supervisor.run({ session: 'k', ifBusy: 'refuse' }, () => 'free')).toBe('free')
      await supervisor.close()
    },
  )

  test('a live owner’s lock is no finding, however old, and --fix leaves it', async ({ scene }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    const run = await host.lines.after('ready ')
    for (const args of [[], ['--fix']]) {
      const found = await doctor(scene, args)
      expect(found).toMatchObject({ code: 0, healthy: true })
      expect(found.checks.find(({ check }) => check === 'locks')?.says).toBe('1 run under way, 0 stale')
    }
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await supervisor.show(run)).toMatchObject({ state: 'running', fence: 1 })
    await supervisor.cancel(run, { grace: 0 })
    await supervisor.close()
  })

  test('of an owner of another machine that renewed a moment ago: left alone', async ({ scene }) => {
    const store = await openStore(scene.state)
    const times = { startedAt: Date.now(), renewedAt: Date.now(), ttl: 600_000 }
    await store.register(supervisorNamed('far', { host: 'elsewhere', socket: '/nowhere', ...times }))
    await store.admit(admission('held', 'k', { supervisor: 'far' }))
    await store.close()
    expect(await doctor(scene, ['--fix'])).toMatchObject({ code: 0 })
    const later = await openStore(scene.state)
    expect(await later.run('held')).toMatchObject({ state: 'running', fence: 1 })
    await later.close()
  })

  test('of an owner that is stopped: found at once; taken by --fix once its leases are over, and not before', async ({
    scene,
  }) => {
    const host = scene.host('host-writes-until-refused.mjs', ['held', '3s'])
    const [run = ''] = (await host.lines.after('ready ')).split(' ')
    await freezeBetweenWrites(scene, host)
    const found = await doctor(scene)
    expect(found.of('locks')).toMatchObject([
      {
        found: expect.stringContaining('is stopped'),
        mends: expect.stringContaining(`coppice cancel ${run} --force`),
        facts: { run, session: 'held', pidState: 'stopped', verdict: 'silent' },
      },
    ])
    expect(found.of('supervisors')).toMatchObject([
      {
        facts: { pid: host.pid, pidState: 'stopped', verdict: 'silent' },
        mends: `kill -CONT ${host.pid}`,
        fixable: false,
      },
    ])
    const before = performance.now()
    const fixed = await doctor(scene, ['--fix'])
    expect(performance.now() - before, 'its leases were watched to their end').toBeGreaterThan(2_500)
    expect(fixed.of('locks')).toEqual([])
    expect(fixed.mended('locks')).toEqual([
      expect.stringMatching(`^ended run ${run} as lost and freed session held`),
    ])
    // Nothing but its own waking mends that.
    expect(fixed.of('supervisors')).toHaveLength(1)
    host.child.kill('SIGCONT')
    expect(await host.lines.after('aborted ')).toBe('run_lost')
    expect((await host.exited).code).toBe(0)
    expect(troubleIn(await doctor(scene))).toEqual([])
  })
})

test('P9: a supervisor that died and held nothing is found, forgotten once, and gone', async ({ scene }) => {
  const store = await openStore(scene.state)
  const { pid, died } = scene.bash('exit 0')
  await died
  const identity = { ...(await self()), pid, startTime: '1' }
  const now = Date.now()
  await store.register(
    supervisorNamed('dead', { host: hostname(), identity, socket: null, startedAt: now, renewedAt: now }),
  )
  await store.close()
  expect((await doctor(scene)).of('supervisors')).toMatchObject([
    { severity: 'warning', facts: { supervisor: 'dead', pid, verdict: 'dead', runs: 0 }, fixable: true },
  ])
  expect(await mendOnce(scene, 'supervisors')).toEqual(['forgot 1 supervisor that is gone'])
})

test.skipIf(bestHere.containment === 'group')(
  'P9: a host that was killed with a tree: its session is free after --fix, and its ending says what was proved',
  async ({ scene }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    const run = await host.lines.after('ready ')
    await isRecorded(scene)
    host.child.kill('SIGKILL')
    await host.died
    expect((await doctor(scene)).of('locks')).toMatchObject([{ facts: { run, verdict: 'dead' } }])
    await mendOnce(scene, 'locks')
    const supervisor = await openSupervisor({ state: scene.state })
    expect((await supervisor.show(run))?.outcome).toMatchObject({
      state: 'lost',
      tree: { proof: 'empty', survivors: [] },
    })
    await supervisor.close()
    expect(scene.living()).toEqual([])
  },
)
