import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { self } from '#src/containment/processes/processes.js'
import { openStore } from '#src/store/open.js'
import { admission, ending, supervisorNamed } from '../store/scene.ts'
import { isAlive, living } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { isRecorded } from '../support/recorded.ts'
import { type Scene, type Started, test } from '../support/scene.ts'
import { doctor, errorsIn, mendOnce, type Report, troubleIn } from './examining.ts'

const isLinux = process.platform === 'linux'

/** A host without guards, of which a kill leaves the tree. */
async function orphaned(scene: Scene, script: string): Promise<{ host: Started; tools: number[] }> {
  const host = scene.host('host-of-one-tool.mjs', ['group', '300ms', 'bash', '-c', script], { stdin: 'pipe' })
  const tools = (await host.lines.after('ready ')).split(' ').map(Number)
  await isRecorded(scene)
  host.child.kill('SIGKILL')
  await host.died
  return { host, tools }
}

/** A run that has ended, in a state that nobody has open. */
async function endedRun({ state }: Scene): Promise<string> {
  const supervisor = await openSupervisor({ state })
  const handle = supervisor.start({ session: 'over' }, () => {})
  await handle.outcome
  await supervisor.close()
  return handle.id
}

/** Whom the first finding about trees names. */
function pidsIn(report: Report): number[] {
  const facts = errorsIn(report, 'trees')[0]?.facts as {
    readonly processes: ReadonlyArray<{ readonly pid: number }>
  }
  return facts.processes.map(({ pid }) => pid)
}

const sleeper = 'exec -a "a tool" sleep 600'

describe.skipIf(!isLinux)('case 39: tools of runs that are over', () => {
  test('of a dead host: found by cookie, and ended by --fix alone, with their run', async ({ scene }) => {
    const { tools } = await orphaned(
      scene,
      'trap "" TERM; sleep 600 & setsid sleep 600 & echo "ready $$ $!"; wait',
    )
    const before = tools.map(living)
    const found = await doctor(scene)
    expect(errorsIn(found, 'trees')).toMatchObject([
      { severity: 'error', found: expect.stringMatching(/^3 processes of run \S+ live on/), fixable: true },
    ])
    expect(pidsIn(found)).toEqual(expect.arrayContaining(tools))
    expect(
      before.every(({ pid, startTime }) => isAlive(pid, startTime)),
      'looking ends nothing',
    ).toBe(true)
    const mended = await doctor(scene, ['--fix'])
    expect(troubleIn(mended)).toEqual([])
    expect(mended.mended('locks')).toEqual([
      expect.stringMatching(/as lost and freed session a, after killing 3 of its/),
    ])
    expect(scene.living()).toEqual([])
    expect((await doctor(scene, ['--fix'])).checks.flatMap(({ mended }) => mended)).toEqual([])
  })

  test('of a dead host, with their environment scrubbed: found by the identity that was recorded', async ({
    scene,
  }) => {
    const { tools } = await orphaned(
      scene,
      'exec env -i bash -c \'trap "" TERM; echo "ready $$"; sleep 600 & wait\'',
    )
    const [root = 0] = tools
    const found = await doctor(scene)
    expect(pidsIn(found)).toContain(root)
    expect(pidsIn(found)).toHaveLength(2)
    expect(troubleIn(await doctor(scene, ['--fix']))).toEqual([])
    expect(scene.living()).toEqual([])
  })

  test('of a run that has ended: found by cookie with what descends from it, and ended by --fix alone', async ({
    scene,
  }) => {
    const run = await endedRun(scene)
    const script = `trap "" TERM; env -u COPPICE_RUN sleep 600 & echo ready; wait`
    const late = scene.bash(script, [], { env: { COPPICE_RUN: `outer/${run}/inner` } })
    await late.lines.after('ready')
    await eventually(async () => pidsIn(await doctor(scene)).length === 2)
    expect(errorsIn(await doctor(scene), 'trees')).toMatchObject([
      {
        found: expect.stringContaining('it ended as succeeded'),
        facts: { run, session: 'over', path: `outer/${run}` },
      },
    ])
    expect(await mendOnce(scene, 'trees')).toEqual([
      expect.stringContaining(`ended what was left of run ${run}`),
    ])
    await late.died
    expect(scene.living()).toEqual([])
  })

  test('and not those of a run that lives, of another state, or of nobody', async ({ scene }) => {
    await endedRun(scene)
    const supervisor = await openSupervisor({ state: scene.state, containment: 'group' })
    const run = await supervisor.begin({ session: 'lives' })
    const tool = run.exec('bash', ['-c', sleeper])
    const foreign = scene.bash(sleeper, [], { env: { COPPICE_RUN: 'r-of-another-state' } })
    const plain = scene.bash(sleeper)
    const all = [await tool.pid, foreign.pid, plain.pid].map(living)
    const found = await doctor(scene, ['--fix'])
    expect(troubleIn(found)).toEqual([])
    const notes = found.of('trees').flatMap(({ facts }) => facts.runs as string[])
    expect(notes).toContain('r-of-another-state')
    expect(notes).not.toContain(run.id)
    expect(all.every(({ pid, startTime }) => isAlive(pid, startTime))).toBe(true)
    await tool.cancel({ grace: 0 })
    await run.end()
    await supervisor.close()
  })

  test('and not a doctor that is run in such a tree, nor what it lives below', async ({ scene }) => {
    const run = await endedRun(scene)
    const inside = scene.bash(
      '"$@"; echo "code $?"',
      [process.execPath, scene.command, 'doctor', '--fix', '--json'],
      {
        env: { COPPICE_RUN: run, COPPICE_CGROUP: '/proc/no/cgroup' },
      },
    )
    expect((await inside.exited).stdout).toMatch(/code 0\n$/)
  })
})

describe.skipIf(!isLinux)('P3: what outlived its kill, and lives', () => {
  test('is found by identity, killed once more by --fix alone, and gone', async ({ scene }) => {
    const stubborn = scene.bash('trap "" TERM; echo ready; while :; do sleep 0.2; done')
    await stubborn.lines.after('ready')
    const { pid, startTime } = living(stubborn.pid)
    await endedWith(scene, [
      { pid, startTime, name: 'bash' },
      { pid: process.pid, startTime: '1', name: 'another with our number' },
    ])
    expect((await doctor(scene)).of('survivors')).toMatchObject([
      { severity: 'error', facts: { run: 'killed', pid, startTime, name: 'bash' }, fixable: true },
    ])
    expect(isAlive(pid, startTime)).toBe(true)
    expect(await mendOnce(scene, 'survivors')).toEqual([`killed pid ${pid} (bash) of run killed`])
    await stubborn.died
  })
})

/** As a run is stored whose kill bound passed with these alive. */
async function endedWith(
  { state }: Scene,
  survivors: ReadonlyArray<{ pid: number; startTime: string; name: string }>,
): Promise<void> {
  const store = await openStore(state)
  const now = Date.now()
  await store.register(supervisorNamed('owner', { identity: await self(), startedAt: now, renewedAt: now }))
  await store.admit(admission('killed', 'k', { supervisor: 'owner' }))
  const hold = { run: 'killed', supervisor: 'owner', fence: 1 }
  await store.finishIfHeld(
    hold,
    ending({ cause: 'cancelled', trees: 1, tree: { proof: 'survivors', survivors } }),
  )
  await store.unregister('owner', now)
  await store.close()
}
