import { getSystemErrorName } from 'node:util'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import type { Proof } from '../../proof.js'
import type { HostPipes, LaunchRequest, Tree, TreeReport } from '../contract.js'
import { launchError } from '../launch-error.js'
import type { Cookie } from '../processes/table.js'
import { unknownExit } from '../protocol/end.js'
import { type Frame, type FrameBody, fromLauncher } from '../protocol/frames.js'
import { ToldTree } from '../protocol/told-tree.js'
import { endCgroup } from './cgroup-remains.js'
import type { Launcher, TreeListener } from './launcher.js'
import type { GuardedRemains } from './remains.js'

/** What a guard's tree needs to know of the machine. */
export interface Here {
  readonly bootId: string
  readonly pidNamespace: string
  /** Ends what nobody else can end any more. */
  endRemains(remains: GuardedRemains): Promise<TreeReport>
}

/** A tree below a guard of its own, which tells of it through the launcher. */
export class GuardTree implements Tree, TreeListener {
  readonly id: string
  readonly containment: 'guard' | 'cgroup'
  readonly stdin = null
  readonly stdout = null
  readonly stderr = null
  /** Resolves when the root runs; rejects where nothing was started. */
  readonly launched: Promise<void>
  readonly exited: Tree['exited']
  readonly emptied: Tree['emptied']
  readonly stopped: Tree['stopped']
  readonly #request: LaunchRequest
  readonly #launcher: Launcher
  readonly #number: number
  readonly #here: Here
  readonly #cgroup: string | null
  readonly #told: ToldTree
  #guard: number | null = null
  #pipes: HostPipes = [null, null, null]
  #isAbandoned = false

  constructor(request: LaunchRequest, launcher: Launcher, number: number, here: Here, cgroup: string | null) {
    const containment = cgroup === null ? 'guard' : 'cgroup'
    const told = new ToldTree(request, containment, { proofOf })
    this.id = request.tree
    this.containment = containment
    this.launched = told.launched
    this.exited = told.exited
    this.emptied = told.emptied
    this.stopped = told.stopped
    this.#request = request
    this.#launcher = launcher
    this.#number = number
    this.#here = here
    this.#cgroup = cgroup
    this.#told = told
  }

  get root(): Identity {
    return this.#told.root
  }

  get pipes(): HostPipes {
    return this.#pipes
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

  report(): Promise<TreeReport> {
    return this.#told.reportAfter(() => this.#launcher.look(this.#number))
  }

  abandon(): void {
    if (this.#isOver) return
    this.#isAbandoned = true
    this.#launcher.release(this.#number)
  }

  get #isOver(): boolean {
    return this.#told.isEmpty || this.#isAbandoned
  }

  receive(frame: Frame): void {
    if (frame.type === fromLauncher.launched) this.#wasLaunched(frame.body)
    else if (frame.type === fromLauncher.launchFailed) this.#failed(frame.body)
    else if (frame.type === fromLauncher.guardLost) void this.#guardLost(frame.body)
    else this.#told.hear(frame)
    if (this.#told.isEmpty) this.#launcher.forget(this.#number)
  }

  launcherLost(): void {
    void this.#endsAlone()
  }

  #wasLaunched(body: FrameBody): void {
    const { bootId, pidNamespace } = this.#here
    const guard = body.u32()
    this.#guard = guard
    const root = { pid: body.u32(), startTime: String(body.u64()), bootId, pidNamespace }
    const pipe = () => {
      const descriptor = body.u32()
      const inode = body.u64()
      return descriptor === 0 ? null : { path: `/proc/${guard}/fd/${descriptor}`, inode }
    }
    this.#pipes = [pipe(), pipe(), pipe()]
    this.#told.runs(root)
  }

  #failed(body: FrameBody): void {
    const stage = body.u32()
    const code = getSystemErrorName(-body.u32())
    const cause = Object.assign(new Error(`${stages[stage] ?? 'launch'}: ${code}`), { code })
    this.#told.neverRan(
      commandsOwn.has(stage)
        ? launchError(this.#request, cause)
        : // A file that is missing here is none of the command's.
          this.#told.launchFailed(cause.message, cause),
    )
  }

  /** A tool that kills its guard has its tree killed by the launcher. */
  async #guardLost(body: FrameBody): Promise<void> {
    const foundNobody = body.u8() === 1
    const killed = this.#told.report.killed + body.u32()
    this.#told.lost(this.#lost())
    const isEmpty = (await this.#endCgroup()) && foundNobody
    this.#end({ ...this.#told.report, proof: isEmpty ? 'empty' : 'unproven', killed })
  }

  /** Without the launcher each guard ends its own tree, and nobody hears what it proved. */
  async #endsAlone(): Promise<void> {
    if (this.#told.isEmpty) return
    this.#told.stops('lost')
    const { tree, bounds } = this.#request
    const claims = (cookie: Cookie) => cookie.tree === tree
    const guard = this.#guard === null ? {} : { guard: this.#guard }
    const { roots } = this.#told
    const report = await this.#here.endRemains({ ...bounds, ...guard, roots, claims, lastWords: [] })
    await this.#endCgroup()
    // Only now: where a launch fails, nothing is left that would have to be ended.
    this.#told.lost(this.#lost())
    this.#end({ ...report, containment: this.containment, lingered: this.#told.report.lingered })
  }

  /** Nobody else does it any more. True where nothing is left in it, or there is none. */
  async #endCgroup(): Promise<boolean> {
    return this.#cgroup === null || endCgroup(this.#cgroup, this.#request.bounds.killBound)
  }

  /** Guard and launcher may both be lost: whoever is through first has seen the tree end. */
  #end(report: TreeReport): void {
    this.#launcher.forget(this.#number)
    this.#told.ends(report, unknownExit)
  }

  #lost(): CoppiceError {
    return new CoppiceError('launch_failed', `the guard of ${this.#request.command} was killed`, {
      path: this.#request.command,
    })
  }
}

/** A guard that does not say that its tree is empty has somebody in it, also where it could not count them. */
function proofOf(): Proof {
  return 'survivors'
}

/** Stages whose errors are about what was asked for, and not about what a launch needs. */
const commandsOwn: ReadonlySet<number> = new Set([4, 5])

export const stages: Readonly<Record<number, string>> = {
  1: 'fork',
  2: 'stdio',
  3: 'cgroup',
  4: 'working directory',
  5: 'exec',
  6: 'the supervisor’s lease is over',
}
