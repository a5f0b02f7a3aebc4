import type { Socket } from 'node:net'
import { execa } from 'execa'
import { CoppiceError } from '../../errors.js'
import { deferred, settlesWithin } from '../../timers.js'
import { ownThread } from '../own-thread.js'
import { type Frame, FrameReader, frameOf, fromLauncher, none, toLauncher, u64 } from '../protocol/frames.js'

/** Whoever hears what is said of one tree. */
export interface TreeListener {
  receive(frame: Frame): void
  /** The launcher is gone: its guards end their trees by themselves, and nobody tells of it. */
  launcherLost(): void
}

/** As many milliseconds as a machine under load may take to start a small program. */
const helloBound = 10_000

/** The running helper program, and the frames to and from it. */
export class Launcher {
  /** The environment that it was started with. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly #control: Socket
  readonly #trees = new Map<number, TreeListener>()
  readonly #awaited = new Set<number>()
  readonly #reader = new FrameReader()
  readonly #hello = deferred<void>()
  readonly #gone = deferred<void>()
  readonly #exited = deferred<void>()
  #isGone = false
  #lastTree = 0

  /** Rejects with `launch_failed` where the helper does not work here. */
  static async start(path: string, args: readonly string[] = []): Promise<Launcher> {
    const launcher = new Launcher(path, args)
    if (!(await settlesWithin(helloBound, Promise.race([launcher.#hello.promise, launcher.#gone.promise])))) {
      launcher.close()
      throw failed(path, 'it does not answer')
    }
    if (launcher.#isGone) throw failed(path, 'it ended at once')
    launcher.#control.unref()
    return launcher
  }

  private constructor(path: string, args: readonly string[]) {
    this.environment = { ...process.env }
    // Its stdio is ours, for trees that inherit it; it is spoken to through descriptor 3.
    const subprocess = execa(path, [...args, `--keeper=${ownThread() ?? 0}`], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      cleanup: false,
      buffer: false,
      reject: false,
    })
    const child = subprocess.nodeChildProcess
    this.pid = child.pid ?? 0
    child.on('error', () => this.#exited.resolve())
    child.on('exit', () => this.#exited.resolve())
    subprocess.finally(() => this.#lose())
    child.unref()
    const control = child.stdio[3] as Socket | null | undefined
    if (child.pid === undefined || !control) throw failed(path, 'it cannot be started')
    this.#control = control
    control.on('error', () => {})
    control.on('close', () => this.#lose())
    control.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  /** Resolves when it has exited and was waited for. */
  get exited(): Promise<void> {
    return this.#exited.promise
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Starts a tree: what is said of it goes to the listener that `listen` gives for its number. */
  launch<T extends TreeListener>(body: readonly Uint8Array[], listen: (number: number) => T): T {
    const number = ++this.#lastTree
    const listener = listen(number)
    // Idle, it keeps nobody's event loop alive.
    this.#control.ref()
    this.#trees.set(number, listener)
    this.#awaited.add(number)
    if (this.#isGone) queueMicrotask(() => listener.launcherLost())
    else this.#send(toLauncher.launch, number, body)
    return listener
  }

  forget(tree: number): void {
    this.#trees.delete(tree)
    this.release(tree)
  }

  /** The tree is still heard of, and keeps nobody's event loop alive any more. */
  release(tree: number): void {
    this.#awaited.delete(tree)
    if (this.#awaited.size === 0) this.#control.unref()
  }

  /** The host has opened its ends of the tree's pipes. */
  opened(tree: number): void {
    this.#send(toLauncher.opened, tree)
  }

  /** SIGTERM, and SIGKILL after `grace` milliseconds. */
  stop(tree: number, grace: number): void {
    // Left out, it would be the launch's own grace.
    this.#send(toLauncher.stop, tree, [Buffer.from([0]), u64(grace, none - 1n)])
  }

  /** Asks for the tree's living processes, which a frame `survivors` answers. */
  look(tree: number): void {
    this.#send(toLauncher.look, tree)
  }

  kill(tree: number): void {
    this.#send(toLauncher.kill, tree)
  }

  /** Our leases now end at this moment of the monotonic clock, in milliseconds. */
  renew(lease: number): void {
    this.#send(toLauncher.lease, 0, [u64(lease)])
  }

  /** It ends when its last tree has. */
  close(): void {
    this.#control.destroy()
  }

  #send(type: number, tree: number, parts: readonly Uint8Array[] = []): void {
    if (!this.#isGone) this.#control.write(frameOf(type, tree, parts))
  }

  #receive(chunk: Buffer): void {
    for (const frame of this.#reader.read(chunk)) {
      if (frame.type === fromLauncher.hello) this.#hello.resolve()
      else this.#trees.get(frame.tree)?.receive(frame)
    }
  }

  #lose(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#gone.resolve()
    const trees = [...this.#trees.values()]
    this.#trees.clear()
    for (const tree of trees) tree.launcherLost()
  }
}

function failed(path: string, why: string): CoppiceError {
  return new CoppiceError('launch_failed', `the helper ${path} cannot be used: ${why}`, { path })
}
