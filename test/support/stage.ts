import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { killIfAlive, livingIfAny, markedWith as marked, parentOf } from './alive.ts'
import { eventually } from './eventually.ts'
import { Lines } from './lines.ts'
import { againIfUnknown } from './unknown.ts'

export const command = fileURLToPath(new URL('../../dist/bundle/coppice.js', import.meta.url))

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
}

/** A stage of its own for each test: a folder, a state file, and a mark on every process that it starts. */
export interface Scene {
  readonly folder: string
  /** The command's file, for a tool that runs it. */
  readonly command: string
  readonly state: string
  readonly env: NodeJS.ProcessEnv
  /** Starts the command. */
  coppice(args: readonly string[], options?: StartOptions): Started
  /** Starts a line of bash with these arguments. */
  bash(script: string, args?: readonly string[], options?: StartOptions): Started
  /** Starts Node. */
  node(args: readonly string[], options?: StartOptions): Started
  /** Starts a fixture in a Node process of its own. */
  host(name: string, args?: readonly string[], options?: StartOptions): Started
  /** Holds the state file's lock from another process until it is disposed of. */
  lockState(): Promise<AsyncDisposable>
  /** Living processes that carry the mark, without those that the test holds itself and coppice's own. */
  living(): number[]
  /** The guards that live. */
  guards(): number[]
  /** The launchers that live: one goes when the last of its guards has gone, and that when its tree is empty. */
  launchers(): number[]
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Default: none. */
  readonly stdin?: 'ignore' | 'pipe'
}

export interface Started {
  readonly child: ChildProcess
  readonly lines: Lines
  /** Of its stderr. */
  readonly errors: Lines
  readonly pid: number
  /** Resolves when it has exited; tools that have its output may live on. */
  readonly died: Promise<void>
  /** Resolves when it has exited and its output has ended. */
  readonly exited: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>
}

/** Opens a scene. `close` ends what it started and says what it left alive, by the mark; a zombie counts as dead. */
export function openScene(): { scene: Scene; close(): Promise<string[]> } {
  const mark = randomUUID()
  const folder = mkdtempSync(join(tmpdir(), 'coppice-'))
  const state = join(folder, 'state.db')
  const env = {
    ...process.env,
    COPPICE_TEST: mark,
    COPPICE_STATE: state,
    XDG_RUNTIME_DIR: folder,
    XDG_STATE_HOME: folder,
  }
  const started: Started[] = []
  const begin = (file: string, args: readonly string[], options: StartOptions = {}) => {
    const begun = start(file, args, { ...options, env: { ...env, ...options.env } })
    started.push(begun)
    return begun
  }
  const node: Scene['node'] = (args, options) => begin(process.execPath, args, options)
  const host: Scene['host'] = (name, args = [], options) => node([fixture(name), ...args], options)
  // What is launched in this process itself carries the mark as well.
  process.env.COPPICE_TEST = mark
  process.env.XDG_RUNTIME_DIR = folder
  const pidsOf = (isIt: (one: Marked) => boolean) =>
    marked(mark)
      .filter(isIt)
      .map(({ pid }) => pid)
  const scene: Scene = {
    guards: () => pidsOf(({ name }) => guardNames.includes(name)),
    launchers: () => pidsOf(isLauncher),
    folder,
    command,
    state,
    env,
    coppice: (args, options) => node([command, ...args], options),
    bash: (script, args = [], options) => begin('bash', ['-c', script, 'bash', ...args], options),
    node,
    host,
    lockState: () => lock(host('locks-the-state.mjs', [state])),
    living: () => pidsOf((one) => !started.some(({ pid }) => pid === one.pid) && !isOfCoppice(one)),
  }
  return {
    scene,
    async close() {
      for (const { child } of started) child.kill('SIGKILL')
      // The launcher of this process's own keeper lives as long as that; any other, and every guard, has to be gone.
      const left = () => pidsOf((one) => !isOurLauncher(one))
      const leftOf = (isIt: (one: Marked) => boolean) => () =>
        pidsOf((one) => !isOurLauncher(one) && isIt(one)).length === 0
      // A tool that lives for longer was left to its guard, whose grace is 5 s; a guard may take its time to go.
      const isOver = eventually(
        leftOf((one) => !isOfCoppice(one)),
        { within: 4_000 },
      ).then(() => eventually(() => left().length === 0, { within: 20_000 }))
      const alive = await isOver.then(
        () => [],
        () => left().flatMap(livingIfAny),
      )
      const late = alive.map(({ pid }) => `${pid}: ${commandLine(pid)}`)
      // The test has failed by that; the machine is not to keep what it left.
      for (const process of alive) killIfAlive(process)
      // Windows lets nobody remove what somebody has open still: a program that has just been killed, say.
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
      return late
    },
  }
}

function start(file: string, args: readonly string[], options: StartOptions): Started {
  const { env, cwd, stdin = 'ignore' } = options
  const child = againIfUnknown(() => spawn(file, args, { env, cwd, stdio: [stdin, 'pipe', 'pipe'] }))
  // A program that was killed takes no more input.
  child.stdin?.on('error', () => {})
  const { pid } = child
  if (pid === undefined || child.stdout === null || child.stderr === null) {
    throw new Error(`could not start ${[file, ...args].join(' ')}`)
  }
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exited = new Promise<Awaited<Started['exited']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  const died = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  return { child, pid, died, lines: new Lines(child.stdout), errors: new Lines(child.stderr), exited }
}

async function lock({ child, lines, died }: Started): Promise<AsyncDisposable> {
  await lines.after('locked')
  return {
    async [Symbol.asyncDispose]() {
      child.kill()
      await died
    },
  }
}

type Marked = ReturnType<typeof marked>[number]

/** What holds a tree: a helper on Windows. */
const guardNames: readonly string[] = ['coppice-guard', 'coppice-job.exe']

/** Launcher and guards inherit the mark with the environment that they pass on. */
function isOfCoppice({ name }: Marked): boolean {
  return name.startsWith('coppice-')
}

function isLauncher({ name }: Marked): boolean {
  return name.startsWith('coppice-launch')
}

function isOurLauncher(one: Marked): boolean {
  return isLauncher(one) && parentOf(one.pid) === process.pid
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return '(gone)'
  }
}
