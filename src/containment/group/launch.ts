import type { ChildProcess } from 'node:child_process'
import { constants, getPriority, setPriority } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { execa } from 'execa'
import type { Identity } from '../../identity.js'
import type { Exit, LaunchRequest } from '../contract.js'
import { launchError } from '../launch-error.js'
import { runVariable, treeVariable } from '../processes/cookie.js'
import type { ProcessTable } from '../processes/table.js'
import { keptUntilRead, withoutUnhandledErrors } from '../streams.js'
import { RootProcess } from './root-process.js'

export interface Launched {
  readonly root: RootProcess
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
}

/** Starts the root as the leader of its own process session and group. */
export async function launchRoot(request: LaunchRequest, table: ProcessTable): Promise<Launched> {
  const { child, refusal } = spawn(request)
  // Before anything else: a signal to a missing pid would go to our own group.
  if (child?.pid === undefined) throw await launchError(request, await refusal)
  const exited = exitOf(child)
  stepBack(child.pid, request.nice ?? 0)
  // Called in the turn of the spawn: later the number may have passed to another process.
  const identified = table.identifyChild(child.pid)
  const stdin = child.stdin && withoutUnhandledErrors(child.stdin)
  const stdout = child.stdout && keptUntilRead(child.stdout)
  const stderr = child.stderr && keptUntilRead(child.stderr)
  try {
    return { root: new RootProcess(child, await identified, exited), stdin, stdout, stderr }
  } catch (error) {
    // What cannot be identified could never be ended safely later. Now it still can.
    new RootProcess(child, nobody(child.pid), exited).signalGroup('SIGKILL')
    await exited
    throw await launchError(request, error)
  }
}

/** execa throws some refusals (an argument that is no string) and gives others with its result. */
function spawn({ command, args, cwd, env, stdio, run, tree }: LaunchRequest): Spawned {
  try {
    const subprocess = execa(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      // A variable that is undefined is removed. An inherited cookie is another tree's.
      env: { ...env, [runVariable]: run ?? undefined, [treeVariable]: tree } as Record<string, string>,
      stdio: [...stdio],
      // On Windows it would have no console, and its descendants one each, with a window.
      detached: process.platform !== 'win32',
      cleanup: false,
      buffer: false,
      reject: false,
    })
    const refusal = subprocess.then(
      (result) => result.cause,
      (error: unknown) => error,
    )
    return { child: subprocess.nodeChildProcess, refusal }
  } catch (error) {
    return { child: null, refusal: Promise.resolve(error) }
  }
}

interface Spawned {
  readonly child: ChildProcess | null
  /** Why there is no process; settles only then, or once all output is closed. */
  readonly refusal: Promise<unknown>
}

/** In the turn of the spawn, in which the number is the root's. What it had without this is no reason to refuse it. */
function stepBack(pid: number, nice: number): void {
  if (nice === 0) return
  try {
    setPriority(pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + nice))
  } catch {}
}

/** The exit event and not `close`, which waits for every descendant that holds an output pipe. */
function exitOf(child: ChildProcess): Promise<Exit> {
  child.on('error', () => {})
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}

function nobody(pid: number): Identity {
  return { pid, startTime: '', bootId: '', pidNamespace: '' }
}
