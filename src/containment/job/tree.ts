import type { Readable, Writable } from 'node:stream'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import type { Proof } from '../../proof.js'
import type { Exit, LaunchRequest, Tree, TreeReport } from '../contract.js'
import type { Remains } from '../group/sweep.js'
import { launchError } from '../launch-error.js'
import type { Cookie } from '../processes/table.js'
import { unknownExit } from '../protocol/end.js'
import { type Frame, type FrameBody, fromLauncher } from '../protocol/frames.js'
import { ToldTree } from '../protocol/told-tree.js'
import { systemErrorCode } from './errors.js'
import type { JobHelper } from './native.js'

/** A tree in a job object, which its helper holds and tells of. */
export class JobTree implements Tree {
  readonly id: string
  readonly containment = 'job'
  readonly pipes = null
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  /** Resolves when the root runs; rejects where nothing was started. */
  readonly launched: Promise<void>
  readonly exited: Tree['exited']
  readonly emptied: Tree['emptied']
  readonly stopped: Tree['stopped']
  readonly #request: LaunchRequest
  readonly #helper: JobHelper
  readonly #endRemains: (remains: Remains) => Promise<TreeReport>
  readonly #told: ToldTree
  #isAbandoned = false

  /** `endRemains` ends what is left of a tree whose helper is gone. */
  constructor(
    request: LaunchRequest,
    helper: JobHelper,
    endRemains: (remains: Remains) => Promise<TreeReport>,
  ) {
    const told = new ToldTree(request, 'job', { exitOf, proofOf })
    this.id = request.tree
    this.stdin = helper.stdin
    this.stdout = helper.stdout
    this.stderr = helper.stderr
    this.launched = told.launched
    this.exited = told.exited
    this.emptied = told.emptied
    this.stopped = told.stopped
    this.#request = request
    this.#helper = helper
    this.#endRemains = endRemains
    this.#told = told
    helper.listen((frame) => this.#receive(frame))
    helper.gone.then(() => this.#lost())
  }

  get root(): Identity {
    return this.#told.root
  }

  opened(): void {}

  async terminate(grace: number): Promise<void> {
    if (!this.#isOver) this.#helper.stop(grace)
  }

  kill(): void {
    if (!this.#isOver) this.#helper.kill()
  }

  renew(lease: number): void {
    if (!this.#isOver) this.#helper.renew(lease)
  }

  report(): Promise<TreeReport> {
    return this.#told.reportAfter(() => this.#helper.look())
  }

  abandon(): void {
    if (this.#isOver) return
    this.#isAbandoned = true
    this.#helper.unref()
  }

  get #isOver(): boolean {
    return this.#told.isEmpty || this.#isAbandoned
  }

  #receive(frame: Frame): void {
    if (frame.type === fromLauncher.launched) this.#wasLaunched(frame.body)
    else if (frame.type === fromLauncher.launchFailed) this.#failed(frame.body)
    else this.#told.hear(frame)
  }

  #wasLaunched(body: FrameBody): void {
    body.u32()
    this.#told.runs({ pid: body.u32(), startTime: String(body.u64()), bootId: '', pidNamespace: '' })
  }

  #failed(body: FrameBody): void {
    const stage = body.u32()
    const code = systemErrorCode(body.u32())
    const cause = Object.assign(new Error(`${stages[stage] ?? 'launch'}: ${code}`), { code })
    this.#told.neverRan(launchError(this.#request, cause))
  }

  /** Its last handle closed with it, the job has ended every process of its own; nobody is left who could say so. */
  async #lost(): Promise<void> {
    if (this.#told.isEmpty) return
    this.#told.stops('lost')
    const { bounds, tree, command } = this.#request
    const claims = (cookie: Cookie) => cookie.tree === tree
    const { roots } = this.#told
    const report = await this.#endRemains({ ...bounds, grace: 0, roots, claims, lastWords: [] })
    const message = `the helper of ${command} was killed`
    this.#told.lost(new CoppiceError('launch_failed', message, { path: command }))
    this.#told.ends({ ...report, containment: 'job', lingered: this.#told.report.lingered }, unknownExit)
  }
}

/** Nobody alive is no proof yet: that is the word of the job itself, which comes as a frame of its own. */
function proofOf(living: number): Proof {
  return living === 0 ? 'unproven' : 'survivors'
}

/** A code of 32 bits; with the flag it is what the helper ends processes with, as Node tells of a child that it killed. */
function exitOf(code: number, flag: number): Exit {
  return flag === 1 ? { code: null, signal: 'SIGKILL' } : { code, signal: null }
}

const stages: Readonly<Record<number, string>> = {
  5: 'start',
  6: 'the supervisor’s lease is over',
  7: 'job object',
}
