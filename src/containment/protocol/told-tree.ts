import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import type { Proof } from '../../proof.js'
import { type Deferred, deferred, settlesWithin } from '../../timers.js'
import type { Exit, LaunchRequest, StopCause, TreeReport } from '../contract.js'
import type { Exceeded } from '../limits.js'
import { exitOfWait, readEnd, readProcesses } from './end.js'
import { type Frame, type FrameBody, fromLauncher } from './frames.js'

/** Milliseconds that a helper may take to look: it may be stopped for a moment, or the machine busy. */
const lookBound = 1_000

/** Where the helpers mean different things by the same frames. */
export interface Meaning {
  /** Of the root's status; default: as wait(2) packs it. */
  readonly exitOf?: (status: number, flag: number) => Exit
  /** Of so many that are said to live, before the tree is told to be empty. */
  readonly proofOf: (living: number) => Proof
}

/** What a native helper has told of its tree, in frames that are the same for each kind of helper. */
export class ToldTree {
  readonly #request: LaunchRequest
  readonly #exitOf: NonNullable<Meaning['exitOf']>
  readonly #proofOf: Meaning['proofOf']
  readonly #launched = deferred<void>()
  readonly #exited = deferred<Exit>()
  readonly #emptied = deferred<void>()
  readonly #stopped = deferred<StopCause>()
  #root: Identity | null = null
  #report: TreeReport
  /** While somebody waits for an answer to `look`. */
  #looked: Deferred<void> | null = null
  #isEmpty = false

  constructor(
    request: LaunchRequest,
    containment: TreeReport['containment'],
    { exitOf = exitOfWait, proofOf }: Meaning,
  ) {
    this.#request = request
    this.#exitOf = exitOf
    this.#proofOf = proofOf
    this.#report = {
      containment,
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

  get exited(): Promise<Exit> {
    return this.#exited.promise
  }

  get emptied(): Promise<void> {
    return this.#emptied.promise
  }

  get stopped(): Promise<StopCause> {
    return this.#stopped.promise
  }

  get root(): Identity {
    if (this.#root === null) throw new TypeError(`tree ${this.#request.tree} is not launched`)
    return this.#root
  }

  /** The root, once it is launched. */
  get roots(): readonly Identity[] {
    return this.#root === null ? [] : [this.#root]
  }

  get isEmpty(): boolean {
    return this.#isEmpty
  }

  /** What has been told so far. */
  get report(): TreeReport {
    return this.#report
  }

  /** The same, once the helper has answered to `look`; without an answer after a second. */
  async reportAfter(look: () => void): Promise<TreeReport> {
    if (!this.#isEmpty) {
      this.#looked ??= deferred()
      look()
      await settlesWithin(lookBound, Promise.race([this.#looked.promise, this.emptied]))
    }
    return this.#report
  }

  /** Hears the frames that mean the same of every helper; of a launch, what it says is whose helper it is. */
  hear({ type, body }: Frame): void {
    if (type === fromLauncher.refused) this.neverRan(this.launchFailed(body.text()))
    else if (type === fromLauncher.stopping) this.#stopping(body.u8())
    else if (type === fromLauncher.rootExited) this.#rootExited(body)
    else if (type === fromLauncher.empty) this.#wasEmptied(body)
    else if (type === fromLauncher.survivors) this.#hasSurvivors(body)
  }

  runs(root: Identity): void {
    this.#root = root
    this.#launched.resolve()
  }

  /** Nothing was started. */
  neverRan(error: CoppiceError | Promise<CoppiceError>): void {
    this.#isEmpty = true
    void Promise.resolve(error).then(this.#launched.reject)
  }

  /** Nobody is left who could tell more. Where it is still being launched, that fails with `error`. */
  lost(error: CoppiceError): void {
    this.stops('lost')
    this.#launched.reject(error)
  }

  stops(cause: StopCause): void {
    this.#stopped.resolve(cause)
  }

  /** Whoever is the first to have seen the tree end is right. */
  ends(report: TreeReport, exit: Exit): void {
    if (this.#isEmpty) return
    this.#isEmpty = true
    this.#report = report
    this.#exited.resolve(exit)
    this.#emptied.resolve()
  }

  launchFailed(why: string, cause?: unknown): CoppiceError {
    const { command } = this.#request
    const details = { path: command, ...(cause === undefined ? {} : { cause }) }
    return new CoppiceError('launch_failed', `cannot launch ${command}: ${why}`, details)
  }

  #stopping(cause: number): void {
    this.#report = { ...this.#report, exceeded: exceeded[cause] ?? null }
    this.stops(stopCauses[cause] ?? 'lost')
  }

  #rootExited(body: FrameBody): void {
    const { exit, killed, lingered } = readEnd(body, this.#exitOf)
    this.#report = { ...this.#report, killed, lingered }
    this.#exited.resolve(exit)
  }

  #wasEmptied(body: FrameBody): void {
    const { exit, killed, lingered, usage } = readEnd(body, this.#exitOf)
    this.ends({ ...this.#report, proof: 'empty', killed, lingered, survivors: [], usage }, exit)
  }

  #hasSurvivors(body: FrameBody): void {
    const killed = body.u32()
    const proof = this.#proofOf(body.u32())
    this.#report = { ...this.#report, proof, killed, survivors: readProcesses(body) }
    this.#looked?.resolve()
    this.#looked = null
  }
}

/** By the protocol's numbers; 0 is a stop that was asked for. */
export const stopCauses: Readonly<Record<number, StopCause>> = {
  1: 'exited',
  2: 'timed_out',
  3: 'lost',
  4: 'lost',
  5: 'over_limit',
  6: 'over_limit',
  7: 'over_limit',
}

const exceeded: Readonly<Record<number, Exceeded>> = { 5: 'pids', 6: 'memory', 7: 'memory_of_all' }
