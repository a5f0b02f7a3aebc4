import { createInterface } from 'node:readline'
import type { Outcome } from 'coppice'
import { isAlive, isStopped, living } from '../../support/alive.ts'
import { eventually } from '../../support/eventually.ts'
import type { Scene, Started } from '../../support/stage.ts'

/** What a host tells: test/fixtures/host-takes-orders.mjs. */
export type Told =
  | { readonly event: 'open' | 'closed' }
  | { readonly event: 'synced'; readonly id: number }
  | { readonly event: 'unhandled'; readonly error: string }
  | { readonly event: 'started'; readonly key: number; readonly run: string }
  | { readonly event: 'refused'; readonly key: number; readonly code: string }
  | { readonly event: 'entered'; readonly key: number; readonly fence: number }
  | { readonly event: 'wrote'; readonly key: number; readonly n: number }
  | { readonly event: 'unwritten'; readonly key: number; readonly n: number; readonly code: string }
  | { readonly event: 'outcome'; readonly key: number; readonly outcome: Outcome }
  | { readonly event: 'result'; readonly key: number; readonly code: string | null }
  | { readonly event: 'cancelled'; readonly id: number; readonly outcome: Outcome }
  | { readonly event: 'uncancelled'; readonly id: number; readonly code: string; readonly message: string }

/** A time in which a host could not be relied on, by the wall clock; to Infinity where it was its end. */
export interface Disturbance {
  readonly from: number
  to: number
}

/** One gateway process, from its start to its end. */
export class Host {
  readonly #started: Started
  readonly #startTime: string
  readonly #ttl: number
  readonly disturbances: Disturbance[] = []
  readonly open: Promise<void>
  /** Milliseconds. */
  stoppedFor = 0
  killed = false
  closing = false
  #stop: Disturbance | null = null
  #continuing: Promise<void> = Promise.resolve()

  constructor(
    scene: Scene,
    { ttl, maxWaiters }: { ttl: number; maxWaiters: number },
    hear: (told: Told) => void,
  ) {
    this.#ttl = ttl
    this.#started = scene.host('host-takes-orders.mjs', [String(ttl), String(maxWaiters)], { stdin: 'pipe' })
    this.#startTime = living(this.#started.pid).startTime
    const open = Promise.withResolvers<void>()
    this.open = open.promise
    const { stdout } = this.#started.child
    if (stdout === null) throw new Error('a host without stdout')
    createInterface({ input: stdout }).on('line', (line) => {
      const told: Told = JSON.parse(line)
      if (told.event === 'open') open.resolve()
      hear(told)
    })
  }

  get pid(): number {
    return this.#started.pid
  }

  /** Whether it takes orders: one that is stopped does so later. */
  get serves(): boolean {
    return !this.killed && !this.closing
  }

  get stopped(): boolean {
    return this.#stop !== null
  }

  /** What it wrote to stderr, and how it exited. */
  get exited(): Started['exited'] {
    return this.#started.exited
  }

  order(order: object): void {
    this.#started.child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  kill(): void {
    this.killed = true
    this.#endStop()
    this.disturbances.push({ from: Date.now(), to: Number.POSITIVE_INFINITY })
    this.#started.child.kill('SIGKILL')
  }

  /** SIGSTOP, and SIGCONT after so many ttls. */
  stop(ttls: number): void {
    if (this.#stop !== null || this.killed) return
    this.#stop = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.disturbances.push(this.#stop)
    this.#started.child.kill('SIGSTOP')
    this.#continuing = new Promise((resolve) => setTimeout(resolve, ttls * this.#ttl)).then(() =>
      this.#continue(),
    )
  }

  /** Resolves when it is not stopped any more. */
  get continued(): Promise<void> {
    return this.#continuing
  }

  close(within: number): void {
    this.closing = true
    this.disturbances.push({ from: Date.now(), to: Number.POSITIVE_INFINITY })
    this.order({ order: 'close', within })
  }

  /**
   * Until it is seen to go on: where it was stopped in the middle of a write, another supervisor continues it for that
   * and stops it again, maybe after our signal.
   */
  async #continue(): Promise<void> {
    if (this.#stop === null) return
    await eventually(() => {
      if (this.killed || !isAlive(this.pid, this.#startTime)) return true
      this.#started.child.kill('SIGCONT')
      return !isStopped(this.pid)
    })
    this.#endStop()
  }

  /** It renews its leases within a third of its ttl after it was continued; until then it may be passed over. */
  #endStop(): void {
    if (this.#stop === null) return
    this.stoppedFor += Date.now() - this.#stop.from
    this.#stop.to = Date.now() + this.#ttl
    this.#stop = null
  }
}
