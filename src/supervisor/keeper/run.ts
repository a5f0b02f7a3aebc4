import { CoppiceError } from '../../errors.js'
import { worstProof } from '../../proof.js'
import type { Bounds } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import type { Progress } from '../../runs/transitions.js'
import type { EndingRecord, Telling } from '../../store/ending-contract.js'
import type { Hold, Stop, ThrownRecord } from '../../store/records.js'
import type { RequestFacts } from '../../store/request-contract.js'
import { type Deferred, deferred } from '../../timers.js'
import type { RunRequest } from '../calls.js'
import { runError } from '../run-error.js'
import type { TreeEnding } from '../tree-request.js'
import { RunClock } from './run-clock.js'
import type { StallWatch } from './stall-watch.js'
import type { SupervisedTree } from './tree.js'

/** A run as the keeper knows it, from its admission's request to its end. */
export class SupervisedRun {
  readonly request: RunRequest
  /** Its request's, or less where a shutdown has less time. */
  bounds: Bounds
  progress: Progress = { state: 'waiting', cause: null }
  /** From admission on. */
  hold: Hold | null = null
  /** From the moment that it stops. */
  stop: Stop | null = null
  /** The one ending that every later cause joins. */
  ending: Promise<Outcome> | null = null

  /** Resolves when the run is in the store. */
  readonly stored: Deferred<void> = deferred()
  /** Resolves with the fence; rejects where the run ends before it is admitted. */
  readonly admitted: Deferred<number> = deferred()
  /** Resolves when the callback has settled. */
  readonly settled: Deferred<void> = deferred()
  /** Resolves when somebody wants the grace skipped. */
  readonly hurried: Deferred<void> = deferred()

  /** What the callback threw. */
  thrown: ThrownRecord | null = null
  callback: EndingRecord['callback'] = 'left_behind'
  isStored = false
  entries = 0
  trees = 0
  /** How many subagents it has started here. */
  subagents = 0
  readonly liveTrees = new Set<SupervisedTree>()
  readonly #since = performance.now()
  /** How long it waited for its session, in milliseconds; from admission on. */
  waitedMs = 0
  readonly #reports: Array<Awaited<SupervisedTree['result']>> = []
  readonly #launches = new Set<Promise<unknown>>()
  #treesEnd: TreesEnd | null = null
  readonly #killing = new AbortController()
  #stopping: AbortController | null = null
  /** Whether its callback may run: it has its session, and a place. */
  hasBegun = false
  /** Between: its try is being counted. */
  isBeginning = false
  /** Whether its admission has counted as a try of its request. */
  isCounted = false
  /** Of its request, as the store has it. */
  facts: RequestFacts | null = null
  /** Messages that are through where its callback has returned. */
  through: readonly string[] = []
  #disarm: () => void = () => {}
  /** When it is to be over, as far as that is known. */
  readonly clock = new RunClock()
  /** The latest that its callback said with `progress`. */
  label: string | null = null
  /** From admission until it stops. */
  stallWatch: StallWatch | null = null

  constructor(request: RunRequest) {
    this.request = request
    this.bounds = request.bounds
  }

  get id(): string {
    return this.request.run
  }

  /** Milliseconds since it was asked for. */
  get ageMs(): number {
    return Math.round(performance.now() - this.#since)
  }

  /** The run is in the store: from here on others may change it there. */
  markStored(): void {
    this.isStored = true
    this.stored.resolve()
  }

  /** The hold to write with; the run's own error once it is over or not yet begun. */
  held(): Hold {
    if (this.hold === null)
      throw new CoppiceError('run_ended', `run ${this.id} was not admitted`, { run: this.id })
    return this.hold
  }

  /** Aborts when the run stops: for launches that wait. Made for the first of them, since most runs have none. */
  get stopping(): AbortSignal {
    this.#stopping ??= new AbortController()
    return this.#stopping.signal
  }

  /** Ends the waits of launches. */
  refuseLaunches(): void {
    this.#stopping?.abort()
  }

  /** The callback has settled, or will never run. */
  markSettled(): void {
    this.callback = 'settled'
    this.settled.resolve()
  }

  /** Throws unless a tree may be launched: from the moment that a run stops, none may. */
  admitsTrees(): void {
    if (this.progress.state !== 'running') throw this.error()
  }

  /** Notes that a subagent is about to start; throws where the run stops, since it would outlive it. */
  admitsSubagents(): void {
    if (this.progress.state !== 'running') throw this.error()
    this.subagents += 1
  }

  error(): CoppiceError {
    return runError(this.request, this.progress.cause, this.stop?.message ?? null)
  }

  keep(tree: SupervisedTree): void {
    this.trees += 1
    this.liveTrees.add(tree)
    tree.result.then((result) => {
      this.liveTrees.delete(tree)
      this.#reports.push(result)
    })
    // A launch that was under way when the run stopped: it is caught up with what the other trees have had.
    if (this.#treesEnd !== null) void this.#terminate(tree, this.#treesEnd)
    if (this.killing.aborted) tree.kill()
  }

  /** SIGTERM to every tree, and to those whose launch is still under way. */
  async terminate(ended: TreeEnding, { grace, drainBound }: Bounds): Promise<void> {
    this.#treesEnd = { ended, grace, drainBound }
    const end = this.#treesEnd
    await Promise.all([...this.liveTrees].map((tree) => this.#terminate(tree, end)))
  }

  /** Aborted when its trees are killed: those that are being launched too. */
  get killing(): AbortSignal {
    return this.#killing.signal
  }

  /** SIGKILL to every tree, until it is empty; true where there was one left. */
  kill(): boolean {
    this.#killing.abort()
    for (const tree of this.liveTrees) tree.kill()
    return [...this.liveTrees].some((tree) => tree.forced)
  }

  /** Resolves when no launch is under way and no tree has a living process. */
  async emptied(): Promise<void> {
    await Promise.allSettled(this.#launches)
    await Promise.all([...this.liveTrees].map((tree) => tree.tree.emptied))
  }

  /** Resolves when the results of all trees are told, within the drain bound of each. */
  async concluded(): Promise<void> {
    const drainBound = this.#treesEnd?.drainBound ?? 0
    await Promise.all([...this.liveTrees].map((tree) => tree.conclude(drainBound)))
  }

  #terminate(tree: SupervisedTree, { ended, grace, drainBound }: TreesEnd): Promise<void> {
    tree.stop(ended, true)
    // As soon as it is empty: a callback that awaits a tree's result cannot settle before it has it.
    tree.tree.emptied.then(() => tree.conclude(drainBound))
    return tree.terminate(grace)
  }

  /** The timer that the run's state needs: its wait while it waits, its timeout while it runs. */
  arm(arm: () => () => void): void {
    this.disarm()
    this.#disarm = arm()
  }

  disarm(): void {
    this.#disarm()
    this.stallWatch?.stop()
  }

  launching<T>(launch: Promise<T>): Promise<T> {
    return track(this.#launches, launch)
  }

  get launches(): number {
    return this.#launches.size
  }

  endingRecord(stop: Stop, telling: Telling | null, at: number): EndingRecord {
    const reports = this.#reports.map(({ report }) => report)
    return {
      cause: stop.cause,
      message: stop.message,
      forced: this.#reports.some(({ forced }) => forced),
      callback: this.callback,
      trees: this.trees,
      tree:
        reports.length === 0
          ? null
          : {
              proof: worstProof(reports.map(({ proof }) => proof)),
              survivors: reports.flatMap(({ survivors }) => survivors),
            },
      error: this.thrown,
      begun: this.hasBegun,
      through: this.through,
      telling,
      at,
    }
  }
}

/** How the trees of a run end that ends itself. */
interface TreesEnd {
  readonly ended: TreeEnding
  readonly grace: number
  readonly drainBound: number
}

function track<T>(set: Set<Promise<unknown>>, promise: Promise<T>): Promise<T> {
  set.add(promise)
  const forget = () => set.delete(promise)
  promise.then(forget, forget)
  return promise
}
