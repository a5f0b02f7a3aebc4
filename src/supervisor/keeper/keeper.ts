import type { Containment } from '../../containment/contract.js'
import { CoppiceError, toErrorMessage } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { type Bounds, defaultBounds } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import { defaultSubagents, type SubagentLimits } from '../../runs/subagents.js'
import type { Finished, Store } from '../../store/contract.js'
import { deferred } from '../../timers.js'
import { type Budget, noBudget } from '../budget.js'
import type { SendToHost } from '../messages.js'
import { Heartbeats } from './heartbeats.js'
import type { Log } from './log.js'
import { Lookout } from './lookout.js'
import { Places } from './places.js'
import type { SupervisedRun } from './run.js'
import type { SupervisedTree } from './tree.js'
import { TreePlaces } from './tree-places.js'
import type { WakeSocket } from './wake.js'

/** What a keeper is made of; a keeper of trees alone has no `store`. */
export interface KeeperParts {
  readonly id: string
  readonly host: string
  readonly identity: Identity
  readonly containment: Containment
  readonly store: Store | null
  readonly log: Log
  readonly closeLog: () => Promise<void>
  readonly send: SendToHost
  /** Default: none. */
  readonly budget?: Budget
  readonly subagents?: SubagentLimits
}

/** The supervising thread's state: its runs, its trees, and where their ends are told. */
export class Keeper {
  readonly id: string
  readonly host: string
  readonly identity: Identity
  readonly containment: Containment
  readonly #store: Store | null
  readonly log: Log
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
  readonly recoveries = new Map<string, Promise<void>>()
  readonly #closing = deferred<void>()
  readonly #left = deferred<void>()
  readonly #buried = new Set<string>()
  /** What follows when an ending has given its session to a waiter. */
  onAdmitted: (admitted: NonNullable<Finished['admitted']>) => void = () => {}
  readonly heartbeats = new Heartbeats()
  readonly lookout = new Lookout(this)
  wakeSocket: WakeSocket | null = null
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
    this.closeLog = parts.closeLog
    this.send = parts.send
    const budget = parts.budget ?? noBudget
    this.subagents = parts.subagents ?? defaultSubagents
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

  /** Resolves when the keeper begins to close. */
  get closing(): Promise<void> {
    return this.#closing.promise
  }

  /** Resolves when nothing of it needs its leases any more. */
  get left(): Promise<void> {
    return this.#left.promise
  }

  leave(): void {
    this.#left.resolve()
  }

  beginClosing(): void {
    this.isClosing = true
    this.lookout.close()
    this.#closing.resolve()
  }

  /** Notes that a supervisor of this very process is dead, though the process lives. */
  bury(supervisor: string): void {
    this.#buried.add(supervisor)
  }

  isBuried(supervisor: string): boolean {
    return this.#buried.has(supervisor)
  }

  unfinishedRuns(): SupervisedRun[] {
    return [...this.runs.values()].filter((run) => run.isStored && run.ending === null)
  }

  hasWaiting(): boolean {
    return this.unfinishedRuns().some(({ progress }) => progress.state === 'waiting')
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
    this.runs.delete(run.id)
    this.places.leave(run)
    this.wakeSocket?.ended(run.id)
    this.send({ type: 'ended', run: run.id, outcome })
    const { state, cause, session } = outcome
    this.log.info({ run: run.id, session, state, cause, durationMs: outcome.durationMs }, 'run ended')
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
