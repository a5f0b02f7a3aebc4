import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openSupervisor } from 'coppice'
import { isHeld } from '#src/containment/guard/remains.js'
import { settlesWithin } from '#src/timers.js'
import {
  isAlive,
  killIfAlive,
  type Living,
  livingIfAny,
  nameOf,
  parentOf,
  startTimeOf,
} from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { fixture, openScene, type Scene, type Started } from '../support/stage.ts'

const folder = fileURLToPath(new URL('../fixtures/zoo/', import.meta.url))
const bin = `${folder}bin/`

execFileSync(process.execPath, [`${folder}build.mjs`], { stdio: 'inherit' })

/** Every hostile program that could be built; none without a C compiler. */
export const programs: readonly string[] = existsSync(bin)
  ? readdirSync(bin)
      .filter((name) => !name.startsWith('.'))
      .sort()
  : []

/** They harm whoever launched them, or who waits for their root, so that each needs a gateway of its own. */
export const attackers = programs.filter((name) =>
  /^(kills|stops)-its-parents?$|^ptraces-its-(parent|root)$/.test(name),
)

/** They would slow the others down. */
export const storms = programs.filter((name) => /^fork-storm|^thousand$|^hops$/.test(name))

export const ordinary = programs.filter((name) => !attackers.includes(name) && !storms.includes(name))

export const endings = ['cancel', 'kill', 'timeout', 'root', 'supervisor', 'guard', 'launcher'] as const
export type Ending = (typeof endings)[number]

/** Those that there are without guard and launcher. */
export const endingsOf = (kind: string) =>
  endings.filter((ending) => kind !== 'group' || (ending !== 'guard' && ending !== 'launcher'))

/** Milliseconds; that of the gateway that launches them. */
const killBound = 10_000

/** Milliseconds in which a line comes, also in a storm that ordinary users have no priority over; and in which `group` has ended what it can. */
const lineBound = 45_000
const groupBound = 5_000

/** Milliseconds that a program has from its launch, with the ending `timeout`; it is in position long before. */
const timeout = 4_000

export type Table = Record<string, Partial<Record<Ending, number>>>

/** How many processes of each program are alive after each ending. Says what it begins with. */
export async function tableOf(kind: string, say: (what: string) => void = () => {}): Promise<Table> {
  const table: Table = {}
  for (const ending of endingsOf(kind)) {
    // The ordinary ones share a gateway; of the others each needs one of its own.
    for (const names of [ordinary, ...[...storms, ...attackers].map((name) => [name])]) {
      say(`${kind} ${ending} ${names.join(' ')}`)
      const { scene, close } = openScene()
      const { unannounced = 0, ...found } = await survivorsOf(scene, kind, ending, names)
      await endAll(scene)
      await close()
      const [only] = names.length === 1 ? names : []
      for (const [name, survivors] of Object.entries(found)) {
        table[name] = { ...table[name], [ending]: survivors + (name === only ? unannounced : 0) }
      }
    }
  }
  return table
}

/**
 * Ends what carries the scene's mark. Some of it forks and exits without pause, and all of that may be gone to where a look
 * has been already: it is over when several looks have found nobody.
 */
export async function endAll(scene: Scene): Promise<void> {
  let quiet = 0
  await eventually(
    () => {
      const left = scene.living()
      for (const pid of left) livingIfAny(pid).forEach(killIfAlive)
      quiet = left.length === 0 ? quiet + 1 : 0
      return quiet === 5
    },
    { within: 60_000 },
  )
}

/** Launches these programs in one gateway, ends them all in one way, and says who of them is alive after it. */
export async function survivorsOf(
  scene: Scene,
  containment: string,
  ending: Ending,
  names: readonly string[],
): Promise<Record<string, number>> {
  const limit = ending === 'timeout' ? String(timeout) : 'none'
  const argv = [
    fixture('host-of-hostile-programs.mjs'),
    containment,
    limit,
    // Longer than the bound: by then it is over because it was ended.
    ...names.map((name) => bin + name + (/^fork-storm/.test(name) && containment !== 'group' ? ' 30' : '')),
  ]
  // Without a guard in between, the grandparent that one of them kills would be this very program.
  const host =
    containment === 'group' && names.includes('kills-its-parents')
      ? scene.bash('"$@"; exit $?', [process.execPath, ...argv], { stdin: 'pipe' })
      : scene.node(argv, { stdin: 'pipe' })
  const said = (start: string) => lineWithinBound(host, start, ending)
  const heard = async (what: string, starts: readonly string[]) => {
    const line = await Promise.race(starts.map(said))
    // Without a guard a program can silence its gateway; with one, P4 bounds each of these.
    if (line === null && containment !== 'group')
      throw new Error(`no word of ${what} within ${lineBound} ms, but: ${host.lines.all.join(' | ')}`)
    return line ?? ''
  }
  // What `group` leaves when it is done, or when it is gone, is left for good.
  const patience = containment === 'group' ? 500 : killBound
  const announced = new Map<string, Living[]>()
  const roots: Living[] = []
  const parents: number[] = []
  for (const name of names) {
    // One that kills its guard at once may be over before its launch is told.
    const launched = await heard(`the launch of ${name}`, [`${name} root `, 'all over'])
    const [root = 0, parent = 0] = launched.split(' ').map(Number)
    parents.push(parent)
    roots.push(...livingIfAny(root))
    await heard(`${name} in position`, [`${name} ready`, `${name} skipped`, `${name} ended`, 'all over'])
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
        .flatMap(livingIfAny)
        .forEach(killIfAlive),
    launcher: () =>
      nameOf(launcher).startsWith('coppice-launch') && livingIfAny(launcher).forEach(killIfAlive),
  }
  end[ending]()
  // A zombie for as long as a program traces it: nobody is told of its end before. In a storm that nobody ends it waits
  // for a processor to die on.
  if (ending === 'supervisor') await eventually(() => startTimeOf(host.pid) === null, { within: lineBound })
  else if (containment === 'group')
    await settlesWithin(groupBound, Promise.race([said('all over'), host.died]))
  else await heard(`the end of ${names.join(' ')}`, ['all over'])

  const alive = (name: string) =>
    (announced.get(name) ?? []).filter(({ pid, startTime }) => isAlive(pid, startTime))
  // Guard, launcher and supervisor are dead: the next supervisor finds what they left.
  if (containment !== 'group' && ending === 'supervisor' && names.includes('kills-its-parents')) {
    const next = await openSupervisor({ state: scene.state, grace: '200ms' })
    await eventually(async () => (await next.runs({ state: 'live' })).length === 0, { within: 20_000 })
    await next.close()
  }
  // A supervisor that is gone is waited for by nobody: its guards take their grace. To look for processes before that
  // proves nothing, since one that hops can be missed by a look.
  await eventually(() => scene.launchers().length === 0, { within: patience }).catch(() => {})
  await eventually(() => names.every((name) => alive(name).length === 0), { within: patience }).catch(
    () => {},
  )
  const left = Object.fromEntries(names.map((name) => [name, alive(name).length]))
  for (const name of names) alive(name).forEach(killIfAlive)
  // Some come and go too fast to be announced; they are known by what they carry.
  await eventually(() => scene.living().length === 0, { within: patience }).catch(() => {})
  return { ...left, unannounced: scene.living().length }
}

/**
 * What follows this in the host's line; null where the host can say nothing any more. Without a guard a program can stop its
 * gateway, or trace it: then only the keeper's thread goes on, and what that ends by its own clock may free the host.
 */
async function lineWithinBound(host: Started, start: string, ending: Ending): Promise<string | null> {
  const line = host.lines.after(start)
  line.catch(() => {})
  const until = performance.now() + lineBound
  let heldUntil = Number.POSITIVE_INFINITY
  while (!(await settlesWithin(50, line)) && performance.now() < Math.min(until, heldUntil)) {
    if (!isHeld(host.pid)) heldUntil = Number.POSITIVE_INFINITY
    else if (heldUntil === Number.POSITIVE_INFINITY)
      heldUntil = performance.now() + (ending === 'timeout' ? timeout : 0) + 500
  }
  return Promise.race([line, null]).catch(() => null)
}

function processIn(name: string, line: string): Living[] {
  const pid = line.startsWith(`${name} process `) ? Number(line.slice(name.length + ' process '.length)) : 0
  return livingIfAny(pid)
}
