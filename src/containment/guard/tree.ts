import { getSystemErrorName } from 'node:util'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { type Deferred, deferred, settlesWithin } from '../../timers.js'
import type { Exit, HostPipes, LaunchRequest, StopCause, Tree, TreeReport } from '../contract.js'
import { launchError } from '../launch-error.js'
import type { LimitName } from '../limits.js'
import type { Cookie } from '../processes/table.js'
import { endCgroup } from './cgroup-remains.js'
import { readEnd, readProcesses, unknownExit } from './end.js'
import { type Frame, type FrameBody, fromLauncher } from './frames.js'
import type { Launcher, TreeListener } from './launcher.js'
import type { GuardedRemains } from './remains.js'

/** What a guard's tree needs to know of the machine. */
export interface Here {
  readonly bootId: string
  readonly pidNamespace: string
  /** Ends what nobody else can end any more. */
  endRemains(remains: GuardedRemains): Promise<TreeReport>
}

/** Milliseconds that a guard may take to look: it may be stopped for a moment, or the machine busy. */
const lookBound = 1_000

/** A tree below a guard of its own, which tells of it through the launcher. */
export class GuardTree implements Tree, TreeListener {
  readonly id: string
  readonly containment: 'guard' | 'cgroup'
  readonly stdin = null
  readonly stdout = null
  readonly stderr = null
  readonly #request: LaunchRequest
  readonly #launcher: Launcher
  readonly #number: number
  readonly #here: Here
  readonly #cgroup: string | null
  readonly #launched = deferred<void>()
  readonly #exited = deferred<Exit>()
  readonly #emptied = deferred<void>()
  readonly #stopped = deferred<StopCause>()
  #guard: number | null = null
  #root: Identity | null = null
  #pipes: HostPipes = [null, null, null]
  #report: TreeReport
  /** While somebody waits for an answer to `look`. */
  #looked: Deferred<void> | null = null
  #isEmpty = false
  #isAbandoned = false

  constructor(request: LaunchRequest, launcher: Launcher, number: number, here: Here, cgroup: string | null) {
    this.id = request.tree
    this.#request = request
    this.#launcher = launcher
    this.#number = number
    this.#here = here
    this.#cgroup = cgroup
    this.containment = cgroup === null ? 'guard' : 'cgroup'
    this.#report = {
      containment: this.containment,
      proof: 'unproven',
      killed: 0,
      lingered: [],
      survivors: [],
      exceeded: null,
      usage: null,
    }
  }

  /** Resolves when the root runs; rejects where nothing was started. */
  get launched(): Promise<void> {
    return this.#launched.promise
  }

  get root(): Identity {
    if (this.#root === null) throw new TypeError(`tree ${this.id} is not launched`)
    return this.#root
  }

  get pipes(): HostPipes {
    return this.#pipes
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise
  }

  get emptied(): Promise<void> {
    return this.#emptied.promise
  }

  get stopped(): Promise<StopCause> {
    return this.#stopped.promise
  }

  opened(): void {
    this.#launcher.opened(this.#number)
  }

  async terminate(grace: number): Promise<void> {
    if (!this.#isOver) this.#launcher.stop(this.#number, grace)
  }

  kill(): void {
    if (!this.#isOver) this.#launcher.kill(this.#number)
  }

  async report(): Promise<TreeReport> {
    if (!this.#isEmpty) {
      this.#looked ??= deferred()
      this.#launcher.look(this.#number)
      await settlesWithin(lookBound, Promise.race([this.#looked.promise, this.emptied]))
    }
    return this.#report
  }

  abandon(): void {
    if (this.#isOver) return
    this.#isAbandoned = true
    this.#launcher.release(this.#number)
  }

  get #isOver(): boolean {
    return this.#isEmpty || this.#isAbandoned
  }

  receive({ type, body }: Frame): void {
    if (type === fromLauncher.launched) this.#wasLaunched(body)
    else if (type === fromLauncher.launchFailed) this.#failed(body)
    else if (type === fromLauncher.refused) this.#refused(body)
    else if (type === fromLauncher.stopping) this.#stopping(body.u8())
    else if (type === fromLauncher.rootExited) this.#rootExited(body)
    else if (type === fromLauncher.empty) this.#wasEmptied(body)
    else if (type === fromLauncher.survivors) this.#hasSurvivors(body)
    else if (type === fromLauncher.guardLost) void this.#guardLost(body)
  }

  launcherLost(): void {
    void this.#endsAlone()
  }

  #wasLaunched(body: FrameBody): void {
    const { bootId, pidNamespace } = this.#here
    const guard = body.u32()
    this.#guard = guard
    this.#root = { pid: body.u32(), startTime: String(body.u64()), bootId, pidNamespace }
    const pipe = () => {
      const descriptor = body.u32()
      const inode = body.u64()
      return descriptor === 0 ? null : { path: `/proc/${guard}/fd/${descriptor}`, inode }
    }
    this.#pipes = [pipe(), pipe(), pipe()]
    this.#launched.resolve()
  }

  #failed(body: FrameBody): void {
    const stage = body.u32()
    const code = getSystemErrorName(-body.u32())
    this.#launcher.forget(this.#number)
    const cause = Object.assign(new Error(`${stages[stage] ?? 'launch'}: ${code}`), { code })
    void launchError(this.#request, cause).then((error) => this.#launched.reject(error))
  }

  #refused(body: FrameBody): void {
    this.#launcher.forget(this.#number)
    const message = `cannot launch ${this.#request.command}: ${body.text()}`
    this.#launched.reject(new CoppiceError('launch_failed', message, { path: this.#request.command }))
  }

  #stopping(cause: number): void {
    this.#report = { ...this.#report, exceeded: exceeded[cause] ?? null }
    this.#stopped.resolve(stopCauses[cause] ?? 'lost')
  }

  #rootExited(body: FrameBody): void {
    const end = readEnd(body)
    this.#report = { ...this.#report, killed: end.killed, lingered: end.lingered }
    this.#exited.resolve(end.exit)
  }

  #wasEmptied(body: FrameBody): void {
    const { exit, killed, lingered, usage } = readEnd(body)
    this.#end({ ...this.#report, proof: 'empty', killed, lingered, survivors: [], usage }, exit)
  }

  #hasSurvivors(body: FrameBody): void {
    const killed = body.u32()
    body.u32()
    this.#report = { ...this.#report, proof: 'survivors', killed, survivors: readProcesses(body) }
    this.#looked?.resolve()
    this.#looked = null
  }

  /** A tool that kills its guard has its tree killed by the launcher. */
  async #guardLost(body: FrameBody): Promise<void> {
    const foundNobody = body.u8() === 1
    const killed = this.#report.killed + body.u32()
    this.#stopped.resolve('lost')
    this.#launched.reject(this.#lost())
    const isEmpty = (await this.#endCgroup()) && foundNobody
    this.#end({ ...this.#report, proof: isEmpty ? 'empty' : 'unproven', killed }, unknownExit)
  }

  /** Without the launcher each guard ends its own tree, and nobody hears what it proved. */
  async #endsAlone(): Promise<void> {
    if (this.#isEmpty) return
    this.#stopped.resolve('lost')
    const { tree, bounds } = this.#request
    const roots = this.#root === null ? [] : [this.#root]
    const claims = (cookie: Cookie) => cookie.tree === tree
    const guard = this.#guard === null ? {} : { guard: this.#guard }
    const report = await this.#here.endRemains({ ...bounds, ...guard, roots, claims, lastWords: [] })
    await this.#endCgroup()
    // Only now: where a launch fails, nothing is left that would have to be ended.
    this.#launched.reject(this.#lost())
    this.#end({ ...report, containment: this.containment, lingered: this.#report.lingered }, unknownExit)
  }

  /** Nobody else does it any more. True where nothing is left in it, or there is none. */
  async #endCgroup(): Promise<boolean> {
    return this.#cgroup === null || endCgroup(this.#cgroup, this.#request.bounds.killBound)
  }

  #end(report: TreeReport, exit: Exit): void {
    // Guard and launcher may both be lost: whoever is through first has seen the tree end.
    if (this.#isEmpty) return
    this.#isEmpty = true
    this.#report = report
    this.#launcher.forget(this.#number)
    this.#exited.resolve(exit)
    this.#emptied.resolve()
  }

  #lost(): CoppiceError {
    return new CoppiceError('launch_failed', `the guard of ${this.#request.command} was killed`, {
      path: this.#request.command,
    })
  }
}

/** By the launcher's numbers; 0 is a stop that was asked for. */
export const stopCauses: Readonly<Record<number, StopCause>> = {
  1: 'exited',
  2: 'timed_out',
  3: 'lost',
  4: 'lost',
  5: 'over_limit',
  6: 'over_limit',
}

const exceeded: Readonly<Record<number, LimitName>> = { 5: 'pids', 6: 'memory' }

export const stages: Readonly<Record<number, string>> = {
  1: 'fork',
  2: 'stdio',
  3: 'cgroup',
  4: 'working directory',
  5: 'exec',
  6: 'the supervisor’s lease is over',
}
