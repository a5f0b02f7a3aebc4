import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { carriers, killIfAlive, living, nameOf, parentOf } from '../../support/alive.ts'
import { eventually } from '../../support/eventually.ts'
import { fixture, type Scene, type Started } from '../../support/stage.ts'
import { type Fact, factsIn, type ReopenFact } from './facts.ts'
import { type Crash, faultsOf } from './judge.ts'
import type { Counts, Point } from './points.ts'
import { rowsOf } from './rows.ts'

const namedSteps = new URL('named-steps.mjs', import.meta.url).href
const terminal = /^(succeeded|failed|cancelled|timed_out|stalled|lost|refused)$/
const signals = 'kill,tkill,tgkill,pidfd_send_signal'
const calls = `fsync,fdatasync,pwrite64,ftruncate,unlink,${signals}`
let last = 0

/** A place for one day: a folder, a state file. */
interface Place {
  readonly folder: string
  readonly state: string
  readonly env: NodeJS.ProcessEnv
  /** Milliseconds that a recovery may take. */
  readonly patience: number
}

export interface Survived {
  /** The promises that did not hold. */
  readonly faults: readonly string[]
  /** False where the day, or its recovery, went by without coming to the point. */
  readonly reached: boolean
}

/** A fault that is planted, and how long its reopenings may take to find out that they cannot recover. */
export interface Planted {
  readonly mutant: string
  readonly patience: number
  readonly grace?: string
}

/** Lives the day up to the point, has it recovered, and judges what came of it. */
export async function survive(scene: Scene, point: Point, planted?: Planted): Promise<Survived> {
  const place = newPlace(scene, planted)
  const day = begin(scene, place, point)
  await whenCrashed(day, point)
  const { stdout, stderr } = await day.exited
  const facts = factsIn<Fact>(stdout)
  const atCrash = rowsOf(place.state)
  const outlived = atCrash.runs
    .filter(({ state, id }) => terminal.test(state) && carriers(id).length > 0)
    .map(({ id, state }) => `${id} is ${state} and has living processes`)
  const crashed = [isReached(point, facts, stderr)]
  const cutShort: (readonly ReopenFact[])[] = []
  for (const step of point.recoverySteps ?? []) {
    const killed = await reopen(scene, place, atCrash.runs, step).exited
    crashed.push(killed.signal === 'SIGKILL')
    cutShort.push(factsIn<ReopenFact>(killed.stdout))
  }
  const started = Array.from({ length: point.recoverers ?? 1 }, () => reopen(scene, place, atCrash.runs))
  const ends = await Promise.all(started.map(({ exited }) => exited))
  const reopenings = ends.map(({ stdout }) => factsIn<ReopenFact>(stdout))
  const crash: Crash = { facts, atCrash, outlived, cutShort, reopenings, after: rowsOf(place.state) }
  const said = ends.flatMap(({ code, stderr }) =>
    code === 0 ? [] : [`a reopening says: ${stderr.slice(0, 600)}`],
  )
  return {
    faults: [...faultsOf(crash), ...said].map((fault) => `${point.label}: ${fault}`),
    reached: crashed.every((one) => one),
  }
}

/** A host that is killed says no last word; a call that a guard was killed at has no result. */
function isReached({ inject, helpers, kill }: Point, facts: readonly Fact[], log: string): boolean {
  if (helpers && inject !== undefined && kill === undefined) return /\) += \?$/m.test(log)
  return !facts.some((fact) => 'closed' in fact)
}

/** How often an undisturbed day makes each system call, by whoever makes most; and the signals of all together. */
export async function countCalls(scene: Scene): Promise<{ calls: Counts; signals: number }> {
  const host = await traced(scene, ['-b', 'execve'])
  const all = await traced(scene, [])
  const made = all.filter((line) => / t?g?kill\(| pidfd_send_signal\(/.test(line))
  return { calls: new Map([...most(host), ['kill', most(made).get('kill') ?? 0]]), signals: made.length }
}

/** How often each named step is taken, in the thread that takes it most. */
export async function countSteps(scene: Scene): Promise<Counts> {
  const place = newPlace(scene)
  const log = join(place.folder, 'steps')
  const env = { ...place.env, NODE_OPTIONS: `--import ${namedSteps}`, COPPICE_STEPS_TO: log }
  const { code, stderr } = await scene.host('scripted-day.mjs', [], { env }).exited
  if (code !== 0) throw new Error(`an undisturbed day failed: ${stderr}`)
  return most(readFileSync(log, 'utf8').split('\n'))
}

async function traced(scene: Scene, options: readonly string[]): Promise<readonly string[]> {
  const place = newPlace(scene)
  const log = join(place.folder, 'log')
  const day = strace(scene, place, [...options, '-o', log, '-e', `trace=${calls}`])
  const { code, stderr } = await day.exited
  if (code !== 0) throw new Error(`an undisturbed day failed: ${stderr}`)
  return readFileSync(log, 'utf8').split('\n')
}

/** Of lines `WHO WHAT`, or `WHO WHAT(…`. */
function most(lines: readonly string[]): Counts {
  const each = new Map<string, number>()
  for (const line of lines) {
    const [who, what] = /^(\d+) +(\w[^(]*)/.exec(line)?.slice(1) ?? []
    if (what !== undefined) each.set(`${who} ${what}`, (each.get(`${who} ${what}`) ?? 0) + 1)
  }
  const counts = new Map<string, number>()
  for (const [key, count] of each) {
    const what = key.slice(key.indexOf(' ') + 1)
    counts.set(what, Math.max(count, counts.get(what) ?? 0))
  }
  return counts
}

function newPlace(scene: Scene, planted?: Planted): Place {
  const folder = join(scene.folder, String(++last))
  const state = join(folder, 'state', 'day.db')
  mkdirSync(join(folder, 'state'), { recursive: true })
  const env = { COPPICE_STATE: state, XDG_RUNTIME_DIR: folder }
  if (planted === undefined) return { folder, state, env, patience: 20_000 }
  const { mutant, patience, grace } = planted
  const faulty = {
    ...env,
    NODE_OPTIONS: `--import ${namedSteps}`,
    COPPICE_MUTANT: mutant,
    COPPICE_DAY_GRACE: grace,
  }
  return { folder, state, env: faulty, patience }
}

function begin(scene: Scene, place: Place, { inject, helpers, step }: Point): Started {
  if (step !== undefined) {
    const env = { ...place.env, NODE_OPTIONS: `--import ${namedSteps}`, COPPICE_CRASH_AT: step }
    return scene.host('scripted-day.mjs', [], { env })
  }
  const call = inject?.split(':')[0] ?? signals
  const tamper = inject === undefined ? [] : ['-e', `inject=${inject}`]
  // Threads are followed and what they start is not, where the host alone is meant.
  return strace(scene, place, [...(helpers ? [] : ['-b', 'execve']), '-e', `trace=${call}`, ...tamper])
}

function strace(scene: Scene, { env }: Place, options: readonly string[]): Started {
  const program = [process.execPath, fixture('scripted-day.mjs')]
  return scene.bash('exec strace -f -qq "$@"', [...options, ...program], { env })
}

async function whenCrashed(day: Started, { inject, helpers, kill }: Point): Promise<void> {
  if (kill !== undefined) {
    await untilSeen(day, kill.at, kill.time)
    killHost(day, kill.launcher === true)
  } else if (inject !== undefined && !helpers) await untilSeen(day, /killed by SIGKILL/, 1)
  else if (helpers) await hostEnds(day)
  else return
  // strace waits for whatever a killed guard and launcher have left, which is the next supervisor's to end. It also can miss the end of a thread that it has killed and wait for ever; the host is past saving now.
  if (inject === undefined || kill !== undefined)
    await Promise.race([day.died, untilSeen(day, /killed by SIGKILL/, 1)])
  day.child.kill('SIGKILL')
}

async function hostEnds({ pid, lines, exited }: Started): Promise<void> {
  const isOpen = await lines.with('"open"').then(
    () => true,
    () => false,
  )
  if (!isOpen) {
    // The host looks by kill(pid, 0) whether somebody lives, and may be the first to make the call that kills.
    const { signal, stderr } = await exited
    if (signal !== 'SIGKILL') throw new Error(`the day ended before it began: ${stderr.slice(-2000)}`)
    return
  }
  await eventually(() => childrenOf(pid).flatMap(known).length === 0, { within: 30_000 })
}

async function untilSeen({ errors }: Started, what: RegExp, time: number): Promise<void> {
  let seen = 0
  for await (const line of errors.each()) if (what.test(line) && ++seen === time) return
}

/** The host is strace's child, and the launcher the host's. */
function killHost({ pid }: Started, andLauncher: boolean): void {
  const host = childrenOf(pid)
  const launchers = andLauncher
    ? host.flatMap(childrenOf).filter((one) => nameOf(one).startsWith('coppice-launch'))
    : []
  for (const one of [...host, ...launchers].flatMap(known)) killIfAlive(one)
}

function known(pid: number) {
  try {
    return [living(pid)]
  } catch {
    return []
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(Number(name)) === pid)
    .map(Number)
}

function reopen(
  scene: Scene,
  { env, patience }: Place,
  runs: Crash['atCrash']['runs'],
  step?: string,
): Started {
  const sessions = Object.groupBy(runs, ({ session }) => session)
  const left = Object.entries(sessions).map(([session, all]) => [session, all?.map(({ id }) => id)])
  const args = [JSON.stringify(Object.fromEntries(left)), String(patience)]
  const crash = step === undefined ? {} : { NODE_OPTIONS: `--import ${namedSteps}`, COPPICE_CRASH_AT: step }
  return scene.host('reopens.mjs', args, { env: { ...env, ...crash } })
}
