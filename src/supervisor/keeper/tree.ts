import type { Tree, TreeReport } from '../../containment/contract.js'
import type { Bounds } from '../../runs/bounds.js'
import { after, deferred, settlesWithin } from '../../timers.js'
import type { SendToHost, Stillness } from '../messages.js'
import { Pump } from '../pump.js'
import type { OutputStream, TreeEnding, TreeRequest, TreeResult } from '../tree-request.js'
import { StallWatch } from './stall-watch.js'

/** A tree under supervision: its ending, its output on the way to the host, its own time bound. */
export class SupervisedTree {
  readonly request: TreeRequest
  readonly tree: Tree
  readonly #send: SendToHost
  readonly #pumps = new Map<OutputStream, Pump>()
  readonly #launchedAt = performance.now()
  readonly #hurry = deferred<void>()
  readonly #result = deferred<TreeResult>()
  readonly #opened = deferred<void>()
  readonly #lingering = deferred<void>()
  readonly #disarm: () => void
  readonly #stallWatch: StallWatch
  #ended: TreeEnding | null = null
  #endedByRun = false
  #isEnding = false
  #lingers = false
  #isTold = false
  #terminated = false
  #empty = false
  #forced = false
  #concluding = false

  /** `blockedWithin`: of these last milliseconds, how many the host could not have read output in. */
  constructor(
    tree: Tree,
    request: TreeRequest,
    send: SendToHost,
    blockedWithin: (milliseconds: number) => number,
  ) {
    this.tree = tree
    this.request = request
    this.#send = send
    this.#pump(1, tree.stdout)
    this.#pump(2, tree.stderr)
    tree.stdin?.on('error', () => {}) // EPIPE: a tool may exit without reading its input.
    tree.emptied.then(() => {
      this.#empty = true
      if (this.#lingers) void this.conclude(request.bounds.drainBound)
    })
    // Before its exit, which the same news may have brought: why it was ended is what it exited of.
    tree.stopped.then((cause) => endTree(this, cause, request.bounds))
    tree.exited.then(() => {
      if (request.linger === 'keep') void this.#rootHasExited()
      else void endTree(this, 'exited', request.bounds)
    })
    const disarm = after(request.bounds.timeout, () => void endTree(this, 'timed_out', request.bounds))
    this.#stallWatch = new StallWatch({
      timeout: request.bounds.stallTimeout,
      ask: () => send({ type: 'askStill', tree: request.tree }),
      blockedWithin,
      onHalf: () => {},
      onStall: () => void endTree(this, 'stalled', request.bounds),
    })
    this.#disarm = () => {
      disarm()
      this.#stallWatch.stop()
    }
  }

  get result(): Promise<TreeResult> {
    return this.#result.promise
  }

  /** Resolves when its root has exited and what it left lives on. */
  get lingering(): Promise<void> {
    return this.#lingering.promise
  }

  /** Milliseconds since its launch. */
  get ageMs(): number {
    return performance.now() - this.#launchedAt
  }

  get forced(): boolean {
    return this.#forced
  }

  get empty(): boolean {
    return this.#empty
  }

  /** Notes why the tree ends; false where that is known already: the first reason stays. */
  stop(ended: TreeEnding, byRun = false): boolean {
    if (this.#isEnding) return false
    this.#isEnding = true
    // Of one that lingers the root has ended by itself; now it is the rest that ends.
    if (this.#ended === null) {
      this.#ended = ended
      this.#endedByRun = byRun
    }
    this.#disarm()
    return true
  }

  /** How long its host has read no output. */
  heard(still: Stillness): void {
    this.#stallWatch.heard(still)
  }

  /** Ends a grace that is under way. */
  hurry(): void {
    this.#hurry.resolve()
  }

  get hurried(): Promise<void> {
    return this.#hurry.promise
  }

  /** The polite signal, once: a tool that hears it twice may take the second for "now". */
  async terminate(grace: number): Promise<void> {
    if (this.#terminated || this.#empty) return
    this.#terminated = true
    if (this.request.stop.endsStdin) this.#endStdin()
    await this.tree.terminate(grace)
  }

  kill(): void {
    if (this.#empty) return
    this.#forced = true
    this.tree.kill()
  }

  /** Reads what output is left, tells the result, and gives the tree up. */
  async conclude(drainBound: number): Promise<TreeResult> {
    if (this.#concluding) return this.result
    this.#concluding = true
    const pumps = [...this.#pumps.values()]
    for (const pump of pumps) pump.drain()
    await settlesWithin(drainBound, Promise.all(pumps.map((pump) => pump.done)))
    const result = await this.#resultSoFar(await this.tree.report(), false)
    this.tree.abandon()
    for (const pump of pumps) pump.stop()
    this.tree.stdin?.destroy()
    this.#tell(result)
    this.#result.resolve(result)
    return result
  }

  /** What it left lives on until the run ends. Its caller need not wait for that: for them the command is over. */
  async #rootHasExited(): Promise<void> {
    const { drainBound } = this.request.bounds
    const report = await this.tree.report()
    if (this.#empty) return void (await this.conclude(drainBound))
    if (this.#isEnding) return
    this.#lingers = true
    this.#lingering.resolve()
    this.#ended = 'exited'
    this.#disarm()
    const pumps = [...this.#pumps.values()]
    await settlesWithin(drainBound, Promise.all(pumps.map((pump) => pump.caughtUp())))
    // Nothing has been asked of them so far: they are no survivors.
    const result = await this.#resultSoFar({ ...report, proof: 'unproven', survivors: [] }, true)
    this.#tell(result)
    for (const pump of pumps) pump.discard()
  }

  async #resultSoFar(report: TreeReport, lingers: boolean): Promise<TreeResult> {
    return {
      // A root that outlived the kill bound has no exit; nobody waits for it any longer.
      exit: (await settledNow(this.tree.exited)) ?? { code: null, signal: null },
      ended: this.#ended ?? 'exited',
      byRun: this.#endedByRun,
      // A guard's own timer may have been faster than ours.
      forced: this.#forced || report.killed > 0,
      report,
      lingers,
      durationMs: Math.round(performance.now() - this.#launchedAt),
    }
  }

  /** The host hears of one end: its root's, where the rest lingers. */
  #tell(result: TreeResult): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#send({ type: 'treeEnded', tree: this.request.tree, result })
  }

  /** Where the pipes are the host's, it is for the host to end. */
  #endStdin(): void {
    if (this.tree.pipes === null) this.tree.stdin?.end()
    else this.#send({ type: 'endStdin', tree: this.request.tree })
  }

  /** Its pipes are the host's now, or nobody's: it may end before the host says so. */
  opened(): void {
    this.tree.opened()
    this.#opened.resolve()
  }

  /** Resolves when nothing more is to be said of it, to either side. */
  get done(): Promise<unknown> {
    return Promise.all([this.#result.promise, this.tree.pipes === null ? null : this.#opened.promise])
  }

  credit(stream: OutputStream, bytes: number): void {
    this.#pumps.get(stream)?.credit(bytes)
  }

  input(chunk: Uint8Array | null): void {
    const { stdin } = this.tree
    if (stdin === null || chunk === null) stdin?.end()
    else stdin.write(chunk, () => this.#send({ type: 'stdinTaken', tree: this.request.tree }))
  }

  #pump(stream: OutputStream, source: Tree['stdout']): void {
    if (source === null) return
    const { tree } = this.request
    const pump = new Pump(source, (bytes) => {
      const chunk = movable(bytes)
      this.#send({ type: 'output', tree, stream, chunk }, [chunk.buffer as ArrayBuffer])
    })
    source.on('data', (chunk: Buffer) => pump.take(chunk))
    this.#pumps.set(stream, pump)
  }
}

/**
 * Ends one tree while its run goes on: its root exited, its time is over, or its caller cancelled it. The steps
 * are those of a run's end. A second call joins the first, and hurries it where it allows no grace.
 */
export async function endTree(tree: SupervisedTree, ended: TreeEnding, bounds: Bounds): Promise<TreeResult> {
  if (!tree.stop(ended)) {
    if (bounds.grace === 0) tree.hurry()
    return tree.result
  }
  void tree.terminate(bounds.grace)
  await settlesWithin(bounds.grace, Promise.race([tree.tree.emptied, tree.hurried]))
  tree.kill()
  await settlesWithin(bounds.killBound, tree.tree.emptied)
  return tree.conclude(bounds.drainBound)
}

/** Node reads into slices of shared pools; only a buffer of its own can be transferred. */
function movable(chunk: Uint8Array): Uint8Array {
  return chunk.byteLength === chunk.buffer.byteLength ? chunk : new Uint8Array(chunk)
}

/** The value of a promise that has settled already, else null. */
async function settledNow<T>(promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, Promise.resolve(null)])
}
