import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { nameOf, startTimeOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'
import { doctor, mendOnce, snapshot, troubleIn } from './examining.ts'

const isLinux = process.platform === 'linux'

const minute = 60_000

/** A folder of sessions with locks in it, each beside its transcript. */
class Sessions {
  readonly scene: Scene
  readonly folder: string

  constructor(scene: Scene) {
    this.scene = scene
    this.folder = join(scene.folder, 'sessions')
    mkdirSync(this.folder)
  }

  path(name: string): string {
    return join(this.folder, `${name}.jsonl.lock`)
  }

  /** As OpenClaw writes them: indented, with the time of its making. */
  lock(name: string, content: object, ageMs = 0): void {
    const createdAt = new Date(Date.now() - ageMs).toISOString()
    this.write(name, JSON.stringify({ createdAt, ...content }, null, 2), ageMs)
  }

  write(name: string, text: string, ageMs = 0): void {
    writeFileSync(join(this.folder, `${name}.jsonl`), '{"type":"message"}\n')
    writeFileSync(this.path(name), text)
    const at = new Date(Date.now() - ageMs)
    utimesSync(this.path(name), at, at)
  }

  locks(): string[] {
    return readdirSync(this.folder).filter((name) => name.endsWith('.lock'))
  }

  async examine(...args: string[]) {
    return doctor(this.scene, ['--lock-files', this.folder, ...args])
  }

  /** What was found of one lock. */
  async of(name: string) {
    return (await this.examine()).of('lock-files').find(({ facts }) => facts.path === this.path(name))
  }
}

async function deadPid(scene: Scene): Promise<number> {
  const { pid, died } = scene.bash('exit 0')
  await died
  await eventually(() => nameOf(pid) === '')
  return pid
}

async function zombiePid(scene: Scene): Promise<number> {
  const parent = scene.bash('sleep 600 & echo $!; exec sleep 600')
  const pid = Number(await parent.lines.after(''))
  await eventually(() => nameOf(parent.pid) === 'sleep' && nameOf(pid) === 'sleep')
  process.kill(pid, 'SIGKILL')
  await eventually(() => startTimeOf(pid) === null)
  return pid
}

describe.skipIf(!isLinux)('lock files whose holder is provably gone', () => {
  test.for([
    {
      reason: 'dead-pid',
      pidState: 'gone',
      content: async (scene: Scene) => ({ pid: await deadPid(scene) }),
    },
    {
      reason: 'dead-pid',
      pidState: 'zombie',
      content: async (scene: Scene) => ({ pid: await zombiePid(scene) }),
    },
    {
      reason: 'recycled-pid',
      pidState: 'alive',
      content: async () => ({ pid: process.pid, starttime: Number(startTimeOf(process.pid)) - 1 }),
    },
  ])(
    '$reason ($pidState): told, left without --fix, removed with it, and nothing beside it',
    async ({ reason, pidState, content }, { scene }) => {
      const sessions = new Sessions(scene)
      sessions.lock('dead', await content(scene))
      sessions.lock('live', { pid: process.pid, starttime: Number(startTimeOf(process.pid)) })
      const before = snapshot(sessions.folder)
      expect((await sessions.examine()).of('lock-files')).toMatchObject([
        {
          severity: 'error',
          fixable: true,
          facts: { path: sessions.path('dead'), pidState, reasons: [reason], holder: 'gone' },
        },
      ])
      expect(snapshot(sessions.folder)).toEqual(before)
      expect(await mendOnce(scene, 'lock-files', ['--lock-files', sessions.folder])).toEqual([
        `removed ${sessions.path('dead')}`,
      ])
      const { 'dead.jsonl.lock': _, ...rest } = before
      expect(snapshot(sessions.folder)).toEqual(rest)
    },
  )

  test('unreadable, empty or half-written: only once it is older than the half minute of a slow write', async ({
    scene,
  }) => {
    const sessions = new Sessions(scene)
    for (const [name, text] of [
      ['empty', ''],
      ['cut', '{\n  "pid": 12'],
    ] as const) {
      sessions.write(`${name}-young`, text, 0)
      sessions.write(`${name}-old`, text, 31_000)
    }
    expect(await sessions.of('empty-young')).toMatchObject({
      fixable: false,
      facts: { reasons: ['unreadable'] },
    })
    expect(await sessions.of('cut-old')).toMatchObject({ fixable: true, facts: { reasons: ['unreadable'] } })
    const fixed = await sessions.examine('--fix')
    expect([...fixed.mended('lock-files')].sort()).toEqual(
      ['cut-old', 'empty-old'].map((one) => `removed ${sessions.path(one)}`),
    )
    expect(sessions.locks().sort()).toEqual(['cut-young.jsonl.lock', 'empty-young.jsonl.lock'])
  })

  test('one without a transcript beside it is told as such, and is mended like any other', async ({
    scene,
  }) => {
    const sessions = new Sessions(scene)
    const createdAt = new Date().toISOString()
    writeFileSync(sessions.path('alone'), JSON.stringify({ pid: await deadPid(scene), createdAt }))
    writeFileSync(sessions.path('first'), JSON.stringify({ pid: process.pid, createdAt }))
    expect(await sessions.of('alone')).toMatchObject({
      severity: 'error',
      facts: { reasons: ['dead-pid', 'no-transcript'] },
    })
    expect(await sessions.of('first')).toMatchObject({
      severity: 'note',
      facts: { reasons: ['no-transcript'], holder: 'held' },
    })
    await mendOnce(scene, 'lock-files', ['--lock-files', sessions.folder])
    expect(sessions.locks()).toEqual(['first.jsonl.lock'])
  })
})

describe.skipIf(!isLinux)('case 38: what is never touched', () => {
  test('a live owner’s lock, however old and however long it may be held', async ({ scene }) => {
    const sessions = new Sessions(scene)
    const starttime = Number(startTimeOf(process.pid))
    sessions.lock('old', { pid: process.pid, starttime }, 100 * 24 * 60 * minute)
    sessions.lock('exceeded', { pid: process.pid, maxHoldMs: minute }, 2 * minute)
    sessions.lock('young', { pid: process.pid, maxHoldMs: minute }, 0)
    expect(await sessions.of('old')).toMatchObject({
      severity: 'warning',
      fixable: false,
      facts: { reasons: ['too-old'], holder: 'held' },
    })
    expect(await sessions.of('exceeded')).toMatchObject({
      facts: { reasons: ['hold-exceeded'], holder: 'held' },
    })
    expect(await sessions.of('young')).toBeUndefined()
    const before = snapshot(sessions.folder)
    await sessions.examine('--fix')
    expect(snapshot(sessions.folder)).toEqual(before)
  })

  test('a lock that a process has open, also where its number means nobody here, as from another container', async ({
    scene,
  }) => {
    const sessions = new Sessions(scene)
    sessions.lock('contained', { pid: await deadPid(scene) })
    const holder = scene.bash('exec 9< "$1"; echo open; exec sleep 600', [sessions.path('contained')])
    await holder.lines.after('open')
    const fixed = await sessions.examine('--fix')
    expect(troubleIn(fixed)).toEqual([])
    expect(sessions.locks()).toHaveLength(1)
    holder.child.kill()
    await holder.died
    await mendOnce(scene, 'lock-files', ['--lock-files', sessions.folder])
    expect(sessions.locks(), 'the control: nobody has it open').toEqual([])
  })

  test('one that names no process, and a file that is not understood', async ({ scene }) => {
    const sessions = new Sessions(scene)
    sessions.lock('nameless', {}, 60 * minute)
    sessions.write('other', '12345\n', 60 * minute)
    sessions.write('list', '[1, 2]', 60 * minute)
    sessions.write('foreign', '{"owner": "somebody else"}', 60 * minute)
    sessions.write('long', `{"pid": 1, "x": "${'x'.repeat(10_000)}`, 60 * minute)
    writeFileSync(join(sessions.folder, 'x.lock'), '')
    symlinkSync(sessions.path('other'), sessions.path('link'))
    mkdirSync(sessions.path('folder'))
    const before = snapshot(sessions.folder)
    const found = (await sessions.examine()).of('lock-files')
    const reasons = Object.fromEntries(found.map(({ facts }) => [String(facts.path), facts.reasons]))
    expect(reasons).toEqual({
      [sessions.path('nameless')]: ['missing-pid', 'too-old'],
      [sessions.path('folder')]: ['not-understood', 'no-transcript'],
      ...Object.fromEntries(
        ['other', 'list', 'foreign', 'long'].map((name) => [sessions.path(name), ['not-understood']]),
      ),
    })
    expect(found.every(({ fixable }) => !fixable)).toBe(true)
    const fixed = await sessions.examine('--fix')
    expect(fixed.mended('lock-files')).toEqual([])
    expect(snapshot(sessions.folder)).toEqual(before)
  })

  test('one that was released and taken again between the look and the removal', async ({ scene }) => {
    const { removeDeadLocks } = await import('#src/doctor/lock-files/lock-folder.js')
    const sessions = new Sessions(scene)
    const dead = await deadPid(scene)
    for (let n = 0; n < 200; n++) sessions.lock(`${n}`.padStart(3, '0'), { pid: dead })
    const removing = removeDeadLocks(sessions.folder)
    // As soon as the first is gone, the last is another's.
    await eventually(() => !existsSync(sessions.path('000')), { every: 0 })
    sessions.lock('199', { pid: process.pid })
    const taken = readFileSync(sessions.path('199'), 'utf8')
    await removing
    expect(readFileSync(sessions.path('199'), 'utf8')).toBe(taken)
    expect(sessions.locks()).toEqual(['199.jsonl.lock'])
  })
})

test('a folder that is not there is bad input, and nothing is looked at or mended', async ({ scene }) => {
  const missing = join(scene.folder, 'no-such')
  for (const args of [[], ['--fix']]) {
    expect(await scene.coppice(['doctor', '--lock-files', missing, ...args]).exited).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: `coppice: --lock-files: ${missing} is no folder: name the one with the *.jsonl.lock files\n`,
    })
  }
})
