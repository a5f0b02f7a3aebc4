import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { execa } from 'execa'
import { deferred } from '../../timers.js'
import type { LaunchRequest } from '../contract.js'
import { launchError } from '../launch-error.js'
import { againIfRefused } from '../passing-refusals.js'
import { runVariable, treeVariable } from '../processes/cookie.js'
import { type Frame, FrameReader, frameOf, none, toLauncher, u64 } from '../protocol/frames.js'
import { keptUntilRead, withoutUnhandledErrors } from '../streams.js'

/** A helper has one tree; the number is the protocol's. */
const onlyTree = 1

/**
 * The running coppice-job.exe of one tree. Its stdio, environment and working directory are the tree's, which inherits
 * them; it is spoken to through descriptor 3 and answers through 4.
 */
export class JobHelper {
  readonly pid: number
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  readonly #child: ChildProcess
  readonly #control: Socket
  readonly #report: Socket
  readonly #reader = new FrameReader()
  readonly #gone = deferred<void>()

  /** Rejects with `launch_failed` where it cannot be started. */
  static async start(path: string, request: LaunchRequest): Promise<JobHelper> {
    try {
      return await againIfRefused(async () => {
        const { child, refusal } = JobHelper.#spawn(path, request)
        if (child.pid === undefined) throw await refusal
        return new JobHelper(child, child.pid)
      })
    } catch (cause) {
      throw await launchError(request, cause)
    }
  }

  static #spawn(path: string, request: LaunchRequest): { child: ChildProcess; refusal: Promise<unknown> } {
    const { cwd, env, run, tree, stdio } = request
    const subprocess = execa(path, [`--supervisor=${process.pid}`], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env, [runVariable]: run ?? undefined, [treeVariable]: tree } as Record<string, string>,
      stdio: [...stdio, 'pipe', 'pipe'],
      // Else it would be in libuv's own job, and end with this process before it had given its tree any grace.
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
    })
    const refusal = subprocess.then(
      (result) => result.cause,
      (error: unknown) => error,
    )
    return { child: subprocess.nodeChildProcess, refusal }
  }

  private constructor(child: ChildProcess, pid: number) {
    this.pid = pid
    this.#child = child
    this.stdin = child.stdin && withoutUnhandledErrors(child.stdin)
    this.stdout = child.stdout && keptUntilRead(child.stdout)
    this.stderr = child.stderr && keptUntilRead(child.stderr)
    this.#control = withoutUnhandledErrors(child.stdio[3] as Socket)
    this.#report = withoutUnhandledErrors(child.stdio[4] as Socket)
    child.on('error', () => {})
    // Not its exit: what it said last is still in the pipe then.
    this.#report.on('close', () => this.#gone.resolve())
  }

  /** Resolves when it is gone and all that it said has been heard. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  listen(receive: (frame: Frame) => void): void {
    this.#report.on('data', (chunk: Buffer) => {
      for (const frame of this.#reader.read(chunk)) receive(frame)
    })
  }

  launch(body: readonly Uint8Array[]): void {
    this.#send(toLauncher.launch, body)
  }

  stop(grace: number): void {
    // Left out, it would be the launch's own grace.
    this.#send(toLauncher.stop, [Buffer.from([0]), u64(grace, none - 1n)])
  }

  kill(): void {
    this.#send(toLauncher.kill)
  }

  look(): void {
    this.#send(toLauncher.look)
  }

  renew(lease: number): void {
    this.#send(toLauncher.lease, [u64(lease)])
  }

  /** It ends its tree, and itself after that. */
  letGo(): void {
    this.#control.destroy()
  }

  /** It keeps nobody's event loop alive any more. */
  unref(): void {
    this.#child.unref()
    this.#control.unref()
    this.#report.unref()
  }

  #send(type: number, parts: readonly Uint8Array[] = []): void {
    if (!this.#control.destroyed) this.#control.write(frameOf(type, onlyTree, parts))
  }
}
