import { readdirSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isAlive, isStopped, killIfAlive, type Living, living, nameOf, parentOf } from '../support/alive.ts'
import { kindsHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { fixture, type Scene, type Started, test } from '../support/scene.ts'

const victims = [
  ['supervisor'],
  ['guard'],
  ['launcher'],
  ['supervisor', 'guard'],
  ['supervisor', 'launcher'],
  ['guard', 'launcher'],
] as const
type Victim = (typeof victims)[number][number]

const moments = ['before the launch is complete', 'during the run', 'during the grace'] as const
type Moment = (typeof moments)[number]

/** Nothing but a guard's or a launcher's own looking finds the last one, which has no cookie and its own session. */
const stubborn = `trap 'echo heard' TERM
  env -i PATH="$PATH" setsid sh -c 'trap "" TERM; echo "member $$"; while :; do sleep 1; done' &
  sh -c 'trap "" TERM; echo "member $$"; while :; do sleep 1; done' &
  echo "root $$"
  while :; do wait; done`

interface Stage {
  readonly host: Started
  readonly processes: Readonly<Record<Victim, Living>>
  /** Those of the tree that are known, the root first. */
  readonly members: readonly Living[]
  /** Lets what held the launch up go on. */
  release(): Promise<void>
}

const cases = kindsHere
  .filter((kind) => kind !== 'group')
  .flatMap((kind) =>
    moments.flatMap((moment) => victims.map((who) => ({ kind, moment, who, name: who.join(' and ') }))),
  )

describe('case 12: whoever is killed, the tree ends, and its session is free', () => {
  test.for(cases)('$name $moment, by $kind', async ({ kind, moment, who }, { scene }) => {
    const { host, processes, members, release } = await stageAt(moment, kind, scene)
    await killAtOnce(who.map((one) => processes[one]))
    await eventually(() => !members.some(({ pid, startTime }) => isAlive(pid, startTime)), { within: 15_000 })
    await release()
    if (who.some((one) => one === 'supervisor')) await host.died
    else expect(JSON.parse(await host.lines.after('outcome ')).state).toBe(stateAfter(moment))
    const next = await openSupervisor({ state: scene.state })
    expect(await next.run({ session: 'a', wait: '20s' }, () => scene.living())).toEqual([])
    await next.close()
  })

  test('the supervisor during the run, by group: its tree lives on until the next one opens', async ({
    scene,
  }) => {
    const { host, processes, members } = await stageAt('during the run', 'group', scene)
    killIfAlive(processes.supervisor)
    await host.died
    expect(members.every(({ pid, startTime }) => isAlive(pid, startTime))).toBe(true)
    const next = await openSupervisor({ state: scene.state, grace: '200ms' })
    expect(await next.run({ session: 'a', wait: '20s' }, () => scene.living())).toEqual([])
    await next.close()
  })
})

/** A launch that loses its guard fails; a tree that loses it is lost; in its grace the run has its cause already. */
function stateAfter(moment: Moment): string {
  return moment === 'during the grace' ? 'cancelled' : 'failed'
}

async function stageAt(moment: Moment, kind: string, scene: Scene): Promise<Stage> {
  if (moment === 'before the launch is complete') return stageBefore(kind, scene)
  // Long enough to find and to kill somebody in it, on a busy machine as well.
  const grace = moment === 'during the grace' ? '2s' : '600ms'
  const host = scene.host('host-of-one-tool.mjs', [kind, grace, 'bash', '-c', stubborn], { stdin: 'pipe' })
  const root = living(Number(await host.lines.after('root ')))
  await eventually(() => host.lines.all.filter((line) => line.startsWith('member ')).length === 2)
  const others = host.lines.all
    .filter((line) => line.startsWith('member '))
    .map((line) => living(Number(line.slice(7))))
  if (moment === 'during the grace') {
    host.child.stdin?.write('cancel\n')
    await host.lines.after('heard')
  }
  const guard = parentOf(root.pid)
  const processes = { supervisor: living(host.pid), guard: living(guard), launcher: living(parentOf(guard)) }
  return { host, processes, members: [root, ...others], release: async () => {} }
}

/** The exec waits, as in a file system that does not answer. */
async function stageBefore(kind: string, scene: Scene): Promise<Stage> {
  const path = join(scene.folder, 'hung')
  await copyFile('/bin/sleep', path)
  const holder = scene.bash('exec "$@"', [fixture('holds-up-exec.pl'), path])
  await holder.lines.after('held')
  const host = scene.host('host-of-one-tool.mjs', [kind, '600ms', path, '1000'], { stdin: 'pipe' })
  const childOf = (parent: number) =>
    eventually(() => {
      const pid = readdirSync('/proc')
        .map(Number)
        .find((one) => parentOf(one) === parent && nameOf(one).startsWith('coppice-'))
      return pid === undefined ? null : living(pid)
    }) as Promise<Living>
  await host.lines.after('launching')
  const launcher = await childOf(host.pid)
  const guard = await childOf(launcher.pid)
  const root = await childOf(guard.pid)
  const release = async () => {
    holder.child.kill('SIGKILL')
    await holder.died
  }
  return { host, processes: { supervisor: living(host.pid), guard, launcher }, members: [root], release }
}

/** As the kernel cuts it. */
const launcherName = 'coppice-launche'

/** None of them can do anything about the death of another: they are stopped before. */
async function killAtOnce(who: readonly Living[]): Promise<void> {
  // A launcher continues a guard that is stopped, and so it has to be stopped before.
  const names = who.map(({ pid }) => nameOf(pid))
  for (const [at, { pid }] of [...who.entries()].toReversed()) {
    if (names[at] === 'coppice-guard' && !names.includes(launcherName)) continue
    process.kill(pid, 'SIGSTOP')
    await eventually(() => isStopped(pid))
  }
  who.forEach(killIfAlive)
}
