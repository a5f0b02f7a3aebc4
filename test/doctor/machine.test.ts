import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect } from 'vitest'
import { isAlive, living, startTimeOf } from '../support/alive.ts'
import { cgroupsHere } from '../support/cgroups.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { oldKernel } from '../support/native.ts'
import { init, inPidNamespace } from '../support/pid-namespace.ts'
import { command, fixture, type Scene, test } from '../support/scene.ts'
import { doctor, type Report, reportOf, troubleIn } from './examining.ts'

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const hasCompiler = spawnSync('cc', ['--version']).error === undefined
const isLinux = process.platform === 'linux'

/** A doctor that is started by other words, in another package or another world. */
async function doctorBy(scene: Scene, words: readonly string[], program = command): Promise<Report> {
  const argv = [...words, process.execPath, program, 'doctor', '--json']
  const env = { COPPICE_CGROUP: '/proc/no/cgroup' }
  return reportOf(await scene.bash('exec "$@"', argv, { env }).exited)
}

/** The package as it would be installed, to be changed. */
function packageIn({ folder }: Scene): string {
  const copy = join(folder, 'package')
  mkdirSync(copy)
  for (const name of ['dist', 'package.json', 'native-helpers/linux', 'native-helpers/build.mjs'])
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  for (const name of ['coppice-launcher', 'coppice-launcher.stamp'])
    cpSync(join(checkout, 'native-helpers/build', name), join(copy, 'native-helpers/build', name))
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

function rebuild(copy: string): void {
  const { status, stderr } = spawnSync(process.execPath, [join(copy, 'native-helpers/build.mjs')], {
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(0)
}

describe.skipIf(!isLinux || !hasCompiler || bestHere.containment === 'group')(
  'the native helper (needs cc)',
  () => {
    test('of another version than the package is an error, until it is built again', async ({ scene }) => {
      const copy = packageIn(scene)
      const program = join(copy, 'dist/cli/main.js')
      expect(troubleIn(await doctorBy(scene, [], program))).toEqual([])
      const manifest = join(copy, 'package.json')
      const { version, ...rest } = JSON.parse(readFileSync(manifest, 'utf8'))
      writeFileSync(manifest, JSON.stringify({ ...rest, version: '99.0.0' }))
      expect((await doctorBy(scene, [], program)).of('helper')).toMatchObject([
        { severity: 'error', facts: { built: version, package: '99.0.0' }, mends: 'npm rebuild coppice' },
      ])
      rebuild(copy)
      expect(troubleIn(await doctorBy(scene, [], program))).toEqual([])
    })

    test('that is missing leaves trees to a containment that a program escapes: told, until it is built', async ({
      scene,
    }) => {
      const copy = packageIn(scene)
      const program = join(copy, 'dist/cli/main.js')
      rmSync(join(copy, 'native-helpers/build'), { recursive: true })
      const found = await doctorBy(scene, [], program)
      expect(found.of('containment')).toMatchObject([
        {
          severity: 'warning',
          facts: { platform: 'Linux', kind: 'group', better: 'guard' },
          why: expect.stringContaining('escape'),
        },
      ])
      rebuild(copy)
      const after = await doctorBy(scene, [], program)
      expect(troubleIn(after)).toEqual([])
      expect(after.of('containment')).toMatchObject([
        { severity: 'note', facts: { kind: 'guard', better: 'cgroup' } },
      ])
    })
  },
)

const old = isLinux ? oldKernel() : null
test.skipIf(old === null || bestHere.containment === 'group')(
  'a kernel that refuses what guards want of it is told by what it refuses, not by its version (needs cc)',
  async ({ scene }) => {
    expect((await doctorBy(scene, [old ?? ''])).of('kernel')).toMatchObject([
      { severity: 'warning', facts: { feature: 'pidfd' } },
      { severity: 'warning', facts: { feature: 'close_range' } },
    ])
    expect((await doctorBy(scene, [])).of('kernel').filter(({ severity }) => severity !== 'note')).toEqual([])
  },
)

describe.skipIf(inPidNamespace === null)('case 14: who reaps orphans (needs a pid namespace)', () => {
  test('a program as PID 1 that does not is a warning', async ({ scene }) => {
    const starts = `require('node:child_process').spawn(process.argv[1], process.argv.slice(2), { stdio: 'inherit' }).on('exit', (code) => process.exit(code))`
    const words = [...(inPidNamespace ?? []), process.execPath, '-e', starts]
    expect((await doctorBy(scene, words)).of('init')).toMatchObject([
      {
        severity: 'warning',
        found: expect.stringMatching(/^pid 1 \(.+\) had not reaped an orphan after \d+ ms/),
        mends: expect.stringContaining('--init'),
      },
    ])
  })

  test.skipIf(init === null)(
    'with an init before it there is none (needs tini or the like)',
    async ({ scene }) => {
      const found = await doctorBy(scene, [...(inPidNamespace ?? []), ...(init ?? [])])
      expect(found.of('init')).toEqual([])
      expect(found.checks.find(({ check }) => check === 'init')?.says).toMatch(
        /^pid 1 \(.+\) reaped one within \d+ ms$/,
      )
    },
  )
})

test.skipIf(!isLinux || process.getuid?.() !== 0)(
  'processes that /proc hides are told (needs root, to mount it so)',
  async ({ scene }) => {
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    const look = (options: string) =>
      doctorBy(scene, [
        'unshare',
        '--mount',
        'bash',
        '-c',
        `mount -t proc -o ${options} proc /proc && exec "$@"`,
        'bash',
        ...asNobody,
      ])
    expect((await look('hidepid=2')).of('processes')).toMatchObject([
      { severity: 'warning', found: expect.stringContaining('hidepid') },
    ])
    expect((await look('hidepid=0')).of('processes')).toEqual([])
  },
)

describe.skipIf(cgroupsHere.base === null)(`cgroups that are left over ${cgroupsHere.why}`, () => {
  test('with somebody in them: found, and ended and removed by --fix alone', async ({ scene }) => {
    // A base of its own: elsewhere the next supervisor of another test would remove them.
    const base = join(cgroupsHere.base ?? '', `test-${randomUUID()}`)
    mkdirSync(base)
    const env = { COPPICE_CGROUP: base }
    const host = scene.host('launches-in-a-cgroup.mjs', [fixture('escapes-by-setsid.sh')], { env })
    const [guard = 0, launcher = 0] = (await host.lines.after('parents')).split(' ').map(Number)
    const escaped = living(Number(await host.lines.after('escaped')))
    process.kill(launcher, 'SIGSTOP')
    for (const pid of [host.pid, guard, launcher]) process.kill(pid, 'SIGKILL')
    await host.died
    await eventually(() => startTimeOf(launcher) === null && startTimeOf(guard) === null)
    expect((await doctor(scene, [], { env })).of('cgroups')).toMatchObject([
      {
        severity: 'warning',
        facts: { inhabited: true, path: expect.stringContaining(`/coppice-${host.pid}-`) },
        fixable: true,
      },
    ])
    expect(isAlive(escaped.pid, escaped.startTime), 'looking ends nothing').toBe(true)
    const fixed = await doctor(scene, ['--fix'], { env })
    expect(fixed.mended('cgroups')).toEqual(['removed the cgroups of 1 supervisor, with what lived in them'])
    expect(fixed.of('cgroups')).toEqual([])
    expect(isAlive(escaped.pid, escaped.startTime)).toBe(false)
    expect((await doctor(scene, ['--fix'], { env })).mended('cgroups')).toEqual([])
    rmdirSync(base)
  })
})

test('what is notes only is no reason to act: exit code 0', async ({ scene }) => {
  const found = await doctor(scene)
  expect(found.checks.flatMap(({ findings }) => findings).every(({ severity }) => severity === 'note')).toBe(
    true,
  )
  expect(troubleIn(found)).toEqual([])
})
