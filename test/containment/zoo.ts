import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isAlive, killIfAlive, type Living, living, nameOf, parentOf, startTimeOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import type { Scene } from '../support/scene.ts'

const folder = fileURLToPath(new URL('../fixtures/zoo/', import.meta.url))
const bin = `${folder}bin/`

execFileSync(process.execPath, [`${folder}build.mjs`], { stdio: 'inherit' })

/** Every hostile program that could be built; none without a C compiler. */
export const programs: readonly string[] = existsSync(bin)
  ? readdirSync(bin)
      .filter((name) => !name.startsWith('.'))
      .sort()
  : []

/** They harm whoever launched them, so that each needs a gateway of its own. */
export const attackers = programs.filter((name) => /^(kills|stops|ptraces)-its-parents?$/.test(name))

/** They would slow the others down. */
export const storms = programs.filter((name) => /^fork-storm|^thousand$|^hops$/.test(name))

export const ordinary = programs.filter((name) => !attackers.includes(name) && !storms.includes(name))

export const endings = ['cancel', 'kill', 'timeout', 'root', 'supervisor', 'guard', 'launcher'] as const
export type Ending = (typeof endings)[number]

/** Milliseconds that a program has from its launch, with the ending `timeout`; it is in position long before. */
const timeout = 4_000

/** Launches these programs in one gateway, ends them all in one way, and says who of them is alive after it. */
export async function survivorsOf(
  scene: Scene,
  containment: string,
  ending: Ending,
  names: readonly string[],
): Promise<Record<string, number>> {
  const limit = ending === 'timeout' ? String(timeout) : 'none'
  const host = scene.host(
    'host-of-hostile-programs.mjs',
    [containment, limit, ...names.map((name) => bin + name)],
    {
      stdin: 'pipe',
    },
  )
  const said = (start: string) => host.lines.after(start).catch(() => '')
  const announced = new Map<string, Living[]>()
  const roots: Living[] = []
  const parents: number[] = []
  for (const name of names) {
    // One that kills its guard at once may be over before its launch is told.
    const launched = await Promise.race([`${name} root `, 'all over'].map(said))
    const [root = 0, parent = 0] = launched.split(' ').map(Number)
    parents.push(parent)
    if (startTimeOf(root) !== null) roots.push(living(root))
    await Promise.race([`${name} ready`, `${name} skipped`, `${name} ended`, 'all over'].map(said))
    announced.set(
      name,
      host.lines.all.flatMap((line) => processIn(name, line)),
    )
  }

  const launcher = parentOf(parents.find((pid) => startTimeOf(pid) !== null) ?? 0)
  const end: Record<Ending, () => unknown> = {
    cancel: () => host.child.stdin?.write('cancel\n'),
    kill: () => host.child.stdin?.write('kill\n'),
    timeout: () => {},
    root: () => roots.forEach(killIfAlive),
    supervisor: () => host.child.kill('SIGKILL'),
    guard: () =>
      parents
        .filter((pid) => nameOf(pid) === 'coppice-guard')
        // Some are killed by what they guard, at any moment.
        .map((pid) => ({ pid, startTime: startTimeOf(pid) ?? 'gone' }))
        .forEach(killIfAlive),
    launcher: () => nameOf(launcher).startsWith('coppice-launch') && killIfAlive(living(launcher)),
  }
  end[ending]()
  if (ending === 'supervisor') await host.died
  else await Promise.race([said('all over'), host.died])

  const alive = (name: string) =>
    (announced.get(name) ?? []).filter(({ pid, startTime }) => isAlive(pid, startTime))
  // A supervisor that is gone is waited for by nobody: its guards take their grace.
  await eventually(() => names.every((name) => alive(name).length === 0), { within: 3_000 }).catch(() => {})
  const left = Object.fromEntries(names.map((name) => [name, alive(name).length]))
  for (const name of names) alive(name).forEach(killIfAlive)
  // Some come and go too fast to be announced; they are known by what they carry.
  await eventually(() => scene.living().length === 0, { within: 3_000 }).catch(() => {})
  return { ...left, unannounced: scene.living().length }
}

function processIn(name: string, line: string): Living[] {
  const pid = line.startsWith(`${name} process `) ? Number(line.slice(name.length + ' process '.length)) : 0
  return pid > 0 && startTimeOf(pid) !== null ? [living(pid)] : []
}
