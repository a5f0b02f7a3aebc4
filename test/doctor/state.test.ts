import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { openStore } from '#src/store/open.js'
import { admission, ending, supervisorNamed } from '../store/scene.ts'
import { eventually } from '../support/eventually.ts'
import { command, type Scene, test } from '../support/scene.ts'
import { doctor, freezeBetweenWrites, mendOnce, reportOf, snapshot, troubleIn } from './examining.ts'

const isLinux = process.platform === 'linux'

/** A state with some past, which nobody has open. */
async function prepare({ state }: Scene, runs = 3): Promise<void> {
  const supervisor = await openSupervisor({ state })
  await Promise.all(
    Array.from({ length: runs }, (_, at) =>
      supervisor.run({ session: `s${at % 100}` }, (run) => run.append({ at })),
    ),
  )
  await supervisor.close()
}

describe('what a doctor looks at it leaves as it is', () => {
  test('a state that nobody has open: byte for byte, and no file beside it', async ({ scene }) => {
    await prepare(scene)
    const before = snapshot(scene.folder)
    expect(Object.keys(before)).toContain('state.db')
    expect(await doctor(scene)).toMatchObject({ code: 0, healthy: true })
    expect(snapshot(scene.folder)).toEqual(before)
  })

  test('one with what a crash left: the file and its write-ahead log, sockets and sessions', async ({
    scene,
  }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held', 'kept'])
    await host.lines.after('ready ')
    host.child.kill('SIGKILL')
    await host.died
    const of = (name: string) => snapshot(scene.folder)[name]
    const kept = ['state.db', 'state.db-wal']
    const [before, names] = [kept.map(of), readdirSync(scene.folder).sort()]
    expect(await doctor(scene)).toMatchObject({ code: 1 })
    expect(await doctor(scene)).toMatchObject({ code: 1 })
    expect(kept.map(of)).toEqual(before)
    expect(readdirSync(scene.folder).sort()).toEqual(names)
    // Its guard gives its tree the grace.
    await eventually(() => scene.living().length === 0, { within: 15_000 })
  })

  test('where there is no state, none is made, with --fix neither', async ({ scene }) => {
    for (const args of [[], ['--fix']]) {
      const found = await doctor(scene, args)
      expect(found).toMatchObject({ code: 0, healthy: true })
      expect(found.checks[0]?.says).toBe(`there is none yet at ${scene.state}`)
    }
    expect(readdirSync(scene.folder)).toEqual([])
  })

  test('a state in use goes on meanwhile, and what it has just written is seen', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'busy' })
    const found = await doctor(scene, ['--fix'])
    expect(found.checks.find(({ check }) => check === 'locks')?.says).toBe('1 run under way, 0 stale')
    await run.append('still here')
    await run.end()
    await supervisor.close()
  })
})

describe('the state file', () => {
  test('that is damaged is an error, and is none once a backup is in its place', async ({ scene }) => {
    await prepare(scene, 500)
    const whole = readFileSync(scene.state)
    const file = openSync(scene.state, 'r+')
    for (let page = 20; page < 30; page++) writeSync(file, Buffer.alloc(2048, 0xa5), 0, 2048, page * 2048)
    closeSync(file)
    expect((await doctor(scene, ['--fix'])).of('database')).toMatchObject([
      { severity: 'error', found: expect.stringContaining('is damaged'), fixable: false },
    ])
    writeFileSync(scene.state, whole)
    expect(troubleIn(await doctor(scene))).toEqual([])
  })

  test('of a later version, of another program, or that is no database is told as it is', async ({
    scene,
  }) => {
    await prepare(scene)
    const change = (pragma: string) => {
      const database = new DatabaseSync(scene.state)
      database.exec(`PRAGMA ${pragma}`)
      database.close()
    }
    change('user_version = 9999')
    expect((await doctor(scene)).of('database')).toMatchObject([
      { found: expect.stringContaining('has schema 9999'), facts: { code: 'store_too_new' } },
    ])
    change('user_version = 1')
    expect(troubleIn(await doctor(scene))).toEqual([])
    change('application_id = 7')
    expect((await doctor(scene)).of('database')).toMatchObject([
      { found: expect.stringContaining('belongs to another program'), facts: { code: 'store_unavailable' } },
    ])
    const text = join(scene.folder, 'notes.db')
    writeFileSync(text, 'this is no database\n'.repeat(300))
    expect((await doctor(scene, ['--state', text])).of('database')).toMatchObject([
      { found: expect.stringContaining('is not a database') },
    ])
    expect((await doctor(scene, ['--state', scene.folder])).of('database')).toMatchObject([
      { severity: 'error', found: expect.stringContaining(scene.folder) },
    ])
  })

  test('whose write-ahead log has grown long is brought into the file by --fix', async ({ scene }) => {
    await prepare(scene)
    const reader = new DatabaseSync(scene.state)
    reader.exec('PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS filler (a); DELETE FROM filler')
    const wal = `${scene.state}-wal`
    truncateSync(wal, 200 * 1024 * 1024)
    expect((await doctor(scene)).of('space')).toMatchObject([
      { severity: 'warning', found: expect.stringContaining('has grown to 200MB'), fixable: true },
    ])
    expect(await mendOnce(scene, 'space')).toEqual([
      expect.stringMatching(/^brought the write-ahead log into the file: 200MB before, 0 bytes now$/),
    ])
    expect(existsSync(wal) ? statSync(wal).size : 0).toBe(0)
    reader.close()
  })

  const asRoot = ['unshare', '--mount', '--user', '--map-root-user']
  const canMount =
    spawnSync(asRoot[0] ?? '', [...asRoot.slice(1), 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
  test.skipIf(!canMount)('on a disk that is nearly full (needs a mount of its own)', async ({ scene }) => {
    const disk = join(scene.folder, 'disk')
    mkdirSync(disk)
    const look = async (size: string) => {
      const script = `mount -t tmpfs -o size=${size} none "$1" && cp "$2" "$1/state.db" && exec "$3" "$4" doctor --json --state "$1/state.db"`
      const args = [...asRoot, 'bash', '-c', script, 'bash', disk, scene.state, process.execPath, command]
      const env = { COPPICE_CGROUP: '/proc/no/cgroup' }
      return reportOf(await scene.bash('exec "$@"', args, { env }).exited).of('space')
    }
    await prepare(scene)
    expect(await look('2m')).toMatchObject([
      { severity: 'error', found: expect.stringMatching(/has \S+ left$/) },
    ])
    expect(await look('100m')).toMatchObject([{ severity: 'warning' }])
    expect(await look('400m')).toEqual([])
  })
})

describe.skipIf(process.platform === 'win32')('who may read and write it', () => {
  test('others may not: what is open to them is found, and closed by --fix', async ({ scene }) => {
    await prepare(scene)
    const runtime = join(scene.folder, 'coppice')
    chmodSync(scene.state, 0o644)
    chmodSync(runtime, 0o755)
    expect((await doctor(scene)).of('permissions').map(({ facts }) => facts)).toEqual([
      { path: scene.state, mode: '0644' },
      { path: runtime, mode: '0755' },
    ])
    await mendOnce(scene, 'permissions')
    expect(statSync(scene.state).mode & 0o777).toBe(0o600)
    expect(statSync(runtime).mode & 0o777).toBe(0o700)
  })

  test('a folder that is not coppice’s own is told, and left as it is', async ({ scene }) => {
    await prepare(scene)
    chmodSync(scene.folder, 0o777)
    const found = await doctor(scene, ['--fix'])
    expect(found.of('permissions')).toMatchObject([
      { facts: { path: scene.folder, mode: '0777' }, fixable: false },
    ])
    expect(statSync(scene.folder).mode & 0o777).toBe(0o777)
    chmodSync(scene.folder, 0o755)
    expect(troubleIn(await doctor(scene))).toEqual([])
  })
})

describe.skipIf(!isLinux)('who keeps it locked', () => {
  test('another program: it is named, and is a finding for as long as it holds on', async ({ scene }) => {
    await prepare(scene)
    {
      await using _lock = await scene.lockState()
      expect((await doctor(scene)).of('writer')).toMatchObject([
        {
          severity: 'error',
          found: expect.stringMatching(/is locked by pid \d+ \(\S+\), which does not let go$/),
        },
      ])
    }
    expect(troubleIn(await doctor(scene))).toEqual([])
  })

  test('a supervisor that is stopped in the middle of a write', async ({ scene }) => {
    const host = scene.host('host-stopped-while-it-writes.mjs')
    await host.lines.after('writing')
    expect((await doctor(scene)).of('writer')).toMatchObject([
      { facts: { pid: host.pid, condition: 'stopped' }, mends: `kill -CONT ${host.pid}` },
    ])
    host.child.kill('SIGCONT')
    await host.lines.after('wrote')
    expect(troubleIn(await doctor(scene))).toEqual([])
  })

  test('not a supervisor that is at work, or one that is stopped between two writes', async ({ scene }) => {
    const host = scene.host('host-writes-until-refused.mjs', ['held', '10m'])
    const [run = ''] = (await host.lines.after('ready ')).split(' ')
    expect((await doctor(scene)).of('writer')).toEqual([])
    await freezeBetweenWrites(scene, host)
    expect((await doctor(scene)).of('writer')).toEqual([])
    host.child.kill('SIGCONT')
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.cancel(run, { grace: 0 })
    await host.exited
    await supervisor.close()
  })
})

test('P9: what crashed supervisors left in the runtime folder is found, and removed by --fix alone', async ({
  scene,
}) => {
  await prepare(scene)
  const folder = join(scene.folder, 'coppice')
  const listens = "require('node:net').createServer().listen(process.argv[1], () => console.log('listening'))"
  const crashed = scene.node(['-e', listens, join(folder, 'sdead.sock')])
  await crashed.lines.after('listening')
  crashed.child.kill('SIGKILL')
  await crashed.died
  for (const name of ['r1.1.end', 'notes.txt']) writeFileSync(join(folder, name), '')
  const monthAgo = new Date(Date.now() - 30 * 24 * 3_600_000)
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), monthAgo, monthAgo)
  expect((await doctor(scene)).of('runtime')).toMatchObject([
    { facts: { files: [join(folder, 'r1.1.end'), join(folder, 'sdead.sock')] }, fixable: true },
  ])
  expect(await mendOnce(scene, 'runtime')).toEqual([`removed 2 files from ${folder}`])
  expect(readdirSync(folder)).toEqual(['notes.txt'])
})

test('P10: a session whose breaker is open is found, and gone once it is closed', async ({ scene }) => {
  const breaker = { failures: 2, counts: ['failed'] } as const
  const supervisor = await openSupervisor({ state: scene.state, breaker })
  for (let turn = 0; turn < 2; turn++) {
    const failing = supervisor.start({ session: 'broken' }, () => {
      throw new Error('as ever')
    })
    await failing.outcome
  }
  expect((await doctor(scene, ['--fix'])).of('breakers')).toMatchObject([
    {
      severity: 'warning',
      found: expect.stringMatching(/^the breaker of session broken is open since .*: 2 failures in a row/),
      mends: expect.stringContaining('coppice breaker broken --close'),
      facts: { session: 'broken', failures: 2, trial: null },
      fixable: false,
    },
  ])
  await supervisor.closeBreaker('broken')
  expect(troubleIn(await doctor(scene))).toEqual([])
  await supervisor.close()
})

describe('P8: nothing is dropped unheard', () => {
  test('a request that was tried as often as it may be is found, and gone once somebody is told', async ({
    scene,
  }) => {
    const host = scene.host('host-of-one-request.mjs')
    const run = await host.lines.after('trying ')
    host.child.kill('SIGKILL')
    await host.died
    const found = await doctor(scene, ['--fix'])
    expect(found.mended('locks')).toEqual([`ended run ${run} as lost and freed session a`])
    expect(found.of('requests')).toMatchObject([
      { severity: 'warning', facts: { session: 'a', request: 'message', tries: 1, run }, fixable: false },
    ])
    const supervisor = await openSupervisor({ state: scene.state, maxTries: 1 })
    await expect(
      supervisor.run({ session: 'a', request: { id: 'message' } }, () => {}),
    ).rejects.toMatchObject({
      code: 'request_exhausted',
    })
    await supervisor.close()
    expect(troubleIn(await doctor(scene))).toEqual([])
  })

  test('an ending that nobody has acknowledged for a minute is found, and gone once it is told', async ({
    scene,
  }) => {
    const store = await openStore(scene.state)
    const end = async (run: string, at: number) => {
      await store.admit(admission(run, 'a', { request: { id: run, payload: '"hello"' }, at }))
      const { fence } = (await store.run(run)) ?? {}
      await store.finishIfHeld({ run, supervisor: 's1', fence: fence ?? 0 }, ending({ at }))
    }
    await store.register(supervisorNamed('s1'))
    await end('long ago', Date.now() - 90_000)
    await end('just now', Date.now())
    await store.unregister('s1', Date.now())
    await store.close()
    expect((await doctor(scene, ['--fix'])).of('endings')).toMatchObject([
      { severity: 'warning', facts: { count: 2, run: 'long ago', session: 'a' }, fixable: false },
    ])
    const told: string[] = []
    const onEnding = ({ outcome }: { readonly outcome: { readonly run: string } }) =>
      void told.push(outcome.run)
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    await eventually(() => told.length === 2)
    await supervisor.close()
    expect(told).toEqual(['long ago', 'just now'])
    expect(troubleIn(await doctor(scene))).toEqual([])
  })
})
