import type { Containment } from '../../containment/contract.js'
import { CoppiceError, toErrorMessage } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { type Bounds, defaultBounds } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import { defaultSubagents, type SubagentLimits } from '../../runs/subagents.js'
import type { Store } from '../../store/contract.js'
import type { Finished } from '../../store/ending-contract.js'
import type { SupervisorRecord } from '../../store/records.js'
import { type Deferred, deferred } from '../../timers.js'
import { type Budget, noBudget } from '../budget.js'
import type { LoopTimes } from '../health.js'
import type { KeeperSettings, KeepSettings } from '../keeper-settings.js'
import type { SendToHost } from '../messages.js'
import { pace } from '../pace.js'
import type { ClosingTime } from './closing-time.js'
import { Heartbeats } from './heartbeats.js'
import { HostLoop } from './host-loop.js'
import { HostStillness } from './host-stillness.js'
import type { Log } from './log.js'
import { Lookout } from './lookout.js'
import { hostLoopEvents } from './loop-timeout.js'
import { MemoryTrend } from './memory-trend.js'
import type { News } from './news.js'
import { OwnDelay } from './own-delay.js'
import { Places } from './places.js'
import type { SupervisedRun } from './run.js'
import type { Teller } from './teller.js'
import type { SupervisedTree } from './tree.js'
import { TreePlaces } from './tree-places.js'
import { tellNews, type WakeSocket } from './wake.js'

/** What a keeper is made of; a keeper of trees alone has no `store`. */
export interface KeeperParts {
  readonly id: string
  readonly host: string
  readonly identity: Identity
  readonly containment: Containment
  readonly store: Store | null
  readonly log: Log
  readonly news: News
  readonly closeLog: () => Promise<void>
  readonly send: SendToHost
  readonly loopTimeout: KeeperSettings['loopTimeout']
  /** Default: none. */
  readonly budget?: Budget
  readonly subagents?: SubagentLimits
  /** How often requests may be tried; without it as often as anybody likes. */
  readonly maxTries?: number
  /** Default: everything. */
  readonly keep?: KeepSettings
}

/** The supervising thread's state: its runs, its trees, and where their ends are told. */
export class Keeper {
  readonly id: string
  readonly host: string
  readonly identity: Identity
  readonly containment: Containment
  readonly #store: Store | null
  readonly log: Log
  readonly news: News
  readonly closeLog: () => Promise<void>
  readonly send: SendToHost
  readonly bounds: Bounds = defaultBounds
  readonly subagents: SubagentLimits
  readonly places: Places
  readonly treePlaces: TreePlaces
  readonly runs = new Map<string, SupervisedRun>()
  readonly trees = new Map<string, SupervisedTree>()
  /** Launches that are under way, by the ids of their trees: cancels them, with this grace or their own. */
  readonly launches = new Map<string, (grace: number | null) => void>()
  readonly maxTries: number
  readonly keep: KeepSettings
  /** Where its host takes endings. */
  teller: Teller | null = null
  /** Settles when what dead supervisors had left as this one opened is recovered. */
  recovered: Promise<void> = Promise.resolve()
  readonly #watches = new Map<string, Deferred<Outcome>>()
  readonly recoveries = new Map<string, Promise<void>>()
  readonly #left = deferred<void>()
  readonly #buried = new Set<string>()
  #quiet: Deferred<void> | null = null
  /** What follows when an ending has given its session to a waiter. */
  onAdmitted: (admitted: NonNullable<Finished['admitted']>) => void = () => {}
  readonly heartbeats = new Heartbeats()
  readonly hostLoop: HostLoop
  readonly ownDelay = new OwnDelay()
  readonly memory = new MemoryTrend()
  readonly stillness: HostStillness
  /** What the host said last of its event loop. */
  hostTimes: LoopTimes | null = null
  /** Callbacks that were left behind and have not settled since. */
  leftBehind = 0
  /** As it registered itself; null for one that has joined no store. */
  record: SupervisorRecord | null = null
  /** When its leases were renewed, by performance.now(). */
  renewedAt = performance.now()
  /** Milliseconds that its leases live; from its joining on. */
  ttl = Number.POSITIVE_INFINITY
  /** Says at once what renewals say otherwise. */
  renewNow: () => Promise<void> = async () => {}
  readonly lookout = new Lookout(this)
  wakeSocket: WakeSocket | null = null
  /** From the moment in which it closes: then only what its runs need is begun. */
  time: ClosingTime | null = null
  /** From the end of the drain on: then nothing is. */
  isClosing = false
  /** Whether other supervisors of the store know this one. */
  isJoined = false

  constructor(parts: KeeperParts) {
    this.id = parts.id
    this.host = parts.host
    this.identity = parts.identity
    this.containment = parts.containment
    this.#store = parts.store
    this.log = parts.log
    this.news = parts.news
    this.closeLog = parts.closeLog
    this.send = parts.send
    pace.isShared = () => this.runs.size > 1
    this.hostLoop = new HostLoop(hostLoopEvents(this, parts.loopTimeout), parts.loopTimeout.after)
    this.stillness = new HostStillness(parts.send, this.hostLoop)
    const budget = parts.budget ?? noBudget
    this.subagents = parts.subagents ?? defaultSubagents
    this.maxTries = parts.maxTries ?? Number.MAX_SAFE_INTEGER
    this.keep = parts.keep ?? { age: Number.POSITIVE_INFINITY, number: null }
    this.places = new Places(budget)
    this.treePlaces = new TreePlaces(budget, (run) => this.#familyOf(run))
  }

  get store(): Store {
    if (this.#store === null) throw new TypeError('a keeper of trees alone has no store')
    return this.#store
  }

  get hasStore(): boolean {
    return this.#store !== null
  }

  /** Resolves when nothing of it needs its leases any more. */
  get left(): Promise<void> {
    return this.#left.promise
  }

  leave(): void {
    this.#left.resolve()
  }

  /** Tells the supervisor that listens at `socket` to look at a run of its own in the store. */
  tellNews(socket: string, run: string): void {
    if (this.wakeSocket === null) tellNews(socket, run)
    else this.wakeSocket.tellNews(socket, run)
  }

  beginDraining(time: ClosingTime): void {
    this.time = time
  }

  beginClosing(): void {
    this.isClosing = true
    this.lookout.close()
  }

  /** Notes that a supervisor of this very process is dead, though the process lives. */
  bury(supervisor: string): void {
    this.#buried.add(supervisor)
  }

  isBuried(supervisor: string): boolean {
    return this.#buried.has(supervisor)
  }

  /** A callback that was left behind has settled after all. */
  settledLate(): void {
    this.leftBehind = Math.max(0, this.leftBehind - 1)
  }

  unfinishedRuns(): SupervisedRun[] {
    return [...this.runs.values()].filter((run) => run.isStored && run.ending === null)
  }

  /** Those whose ending is under way. */
  stoppingRuns(): SupervisedRun[] {
    return [...this.runs.values()].filter((run) => run.ending !== null && run.progress.state === 'stopping')
  }

  hasWaiting(): boolean {
    for (const run of this.runs.values()) {
      if (run.isStored && run.ending === null && run.progress.state === 'waiting') return true
    }
    return false
  }

  /** Resolves when there is no run. */
  quiet(): Promise<void> {
    this.#quiet ??= deferred()
    if (this.runs.size === 0) this.#quiet.resolve()
    return this.#quiet.promise
  }

  forget(run: SupervisedRun): void {
    this.runs.delete(run.id)
    if (this.runs.size === 0) this.#quiet?.resolve()
  }

  /** How a run of this keeper ends; null where it is none of its runs. */
  endOf(run: string): Promise<Outcome> | null {
    if (!this.runs.has(run)) return null
    const watch = this.#watches.get(run) ?? deferred<Outcome>()
    this.#watches.set(run, watch)
    return watch.promise
  }

  #familyOf(run: SupervisedRun): Set<SupervisedRun> {
    const family = new Set<SupervisedRun>()
    for (let next: SupervisedRun | undefined = run; next !== undefined; ) {
      family.add(next)
      const { parent }: SupervisedRun['request'] = next.request
      next = parent === null ? undefined : this.runs.get(parent)
    }
    return family
  }

  /** A run is terminal in the store: tells everybody who waits for that. */
  ended(run: SupervisedRun, outcome: Outcome): void {
    this.forget(run)
    if (outcome.callback === 'left_behind' && run.hasBegun) this.leftBehind += 1
    this.places.leave(run)
    this.wakeSocket?.ended(run.id)
    this.#watches.get(run.id)?.resolve(outcome)
    this.#watches.delete(run.id)
    // Before its caller goes on: whoever has the outcome has heard of it as well.
    this.news.ended(run, outcome)
    this.send({ type: 'ended', run: run.id, outcome })
  }

  /** The ending is still being tried; the host is not made to wait for it. */
  unstored(run: SupervisedRun): void {
    const path = this.store.location
    const error = new CoppiceError(
      'store_unavailable',
      `the ending of run ${run.id} could not be stored in ${path} so far`,
      {
        run: run.id,
        session: run.request.session,
        path,
      },
    )
    this.send({ type: 'unstored', run: run.id, error: toErrorMessage(error) })
  }
}
