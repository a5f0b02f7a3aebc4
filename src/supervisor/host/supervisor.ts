import { type ContainmentKind, containmentKinds } from '../../containment/contract.js'
import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { SubagentLimits } from '../../runs/subagents.js'
import type { KeeperSettings } from '../messages.js'
import { type BreakerOptions, parseBreaker } from './breaker-options.js'
import {
  type BudgetOptions,
  parseBudget,
  parseSessionBudgets,
  parseSubagents,
  type SessionBudgetOptions,
} from './budget-options.js'
import { buryKeeper } from './burial.js'
import { type CancelOptions, parseCancel } from './cancel-options.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { KeeperLink } from './link.js'
import { Observer } from './observer.js'
import { type BoundOptions, boundNames, parseBounds, refuseUnknown } from './options.js'
import { type BegunRun, HostRun, type Run, type RunHandle } from './run.js'
import { closeOnSignal } from './signals.js'
import { parseSpec, type RunDefaults, type RunSpec } from './spec.js'
import { type StateOptions, stateOptionNames, storeSettings } from './state.js'
import { type BreakerView, viewBreaker } from './views.js'

export interface SupervisorOptions extends BoundOptions, StateOptions {
  /** Close on SIGINT, SIGTERM and SIGHUP, then die of the signal; a second one skips the grace. Default false. */
  readonly handleSignals?: boolean
  /** Insists on this kind: `launch_failed` where it cannot be had. Default: the best that works here. */
  readonly containment?: ContainmentKind
  /** What it does at once, over all its sessions. Default: no bound. */
  readonly budget?: BudgetOptions
  /** What each session may take; a function where that depends on the session. Default: 1,000 waiting runs. */
  readonly sessionBudget?: SessionBudgetOptions | ((session: string) => SessionBudgetOptions)
  /** How deep subagents may start subagents, and how many of one run may be alive at once. Default: 8 and 64. */
  readonly subagents?: Partial<SubagentLimits>
  /** When a session refuses runs for a while, because so many have failed. Default: never. */
  readonly breaker?: BreakerOptions | false
  /** What each tree may take, where its run or command asks for nothing else. Default: no limit. */
  readonly limits?: LimitOptions
  /** What the keeper writes to stderr, by pino's levels. Default `silent`. */
  readonly logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
}

const known = [
  ...stateOptionNames,
  'containment',
  'handleSignals',
  'limits',
  'logLevel',
  'budget',
  'sessionBudget',
  'subagents',
  'breaker',
  ...boundNames,
]

export interface CloseOptions {
  /** How long the whole shutdown may take; every run gets its share of it. Default: the runs' own bounds. */
  readonly within?: Duration
}

/** Opens a supervisor, with a keeper thread of its own. Rejects with `store_unavailable`, `store_too_new` or `invalid_option`. */
export async function openSupervisor(options: SupervisorOptions = {}): Promise<Supervisor> {
  refuseUnknown('openSupervisor', options, known)
  const defaults = {
    bounds: parseBounds(options),
    limits: parseLimits(options.limits),
    sessionBudget: parseSessionBudgets(options.sessionBudget),
    breaker: parseBreaker(options.breaker),
  }
  const settings: KeeperSettings = {
    store: storeSettings(options),
    containment: parseContainment(options.containment),
    logLevel: options.logLevel ?? 'silent',
    budget: parseBudget(options.budget),
    subagents: parseSubagents(options.subagents),
  }
  const supervisor = new Supervisor(settings, await KeeperLink.open(settings), defaults)
  if (options.handleSignals === true) supervisor.closeOnSignal()
  return supervisor
}

function parseContainment(kind: unknown): ContainmentKind | null {
  if (kind === undefined) return null
  const known: readonly unknown[] = containmentKinds
  if (known.includes(kind)) return kind as ContainmentKind
  throw new CoppiceError(
    'invalid_option',
    `containment: ${String(kind)} is none of ${containmentKinds.join(', ')}`,
  )
}

/** One per gateway process. Its runs are supervised by its keeper, whatever the host's own thread does. */
export class Supervisor extends Observer {
  readonly #settings: KeeperSettings
  readonly #defaults: RunDefaults
  readonly #runs = new Map<string, HostRun>()
  #closed: Promise<void> | null = null
  #unsubscribe: () => void = () => {}

  constructor(settings: KeeperSettings, link: KeeperLink, defaults: RunDefaults) {
    super(link)
    this.#settings = settings
    this.#defaults = defaults
    link.onDeath = (error) =>
      void buryKeeper(this.#settings, link.supervisor, [...this.#runs.values()], error)
  }

  /**
   * Runs `fn` as one run and resolves to its value once the run is terminal and its session free. Rejects with
   * what `fn` threw, or with a `CoppiceError` where the run ended otherwise.
   */
  run<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T> {
    return this.start(spec, fn).result
  }

  /** As `run`, but gives the handle at once. */
  start<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): RunHandle<T> {
    const run = this.#newRun(spec)
    const result = settle(run, fn)
    // Whoever only looks at the outcome must not get an unhandled rejection.
    result.catch(() => {})
    const { id, session, signal, outcome } = run
    return {
      id,
      session,
      signal,
      outcome,
      result,
      get state() {
        return run.state
      },
      cancel: (options) => run.cancel(options),
    }
  }

  /** Resolves to an admitted run for a host without a callback; `end` ends it. */
  async begin(spec: RunSpec): Promise<BegunRun> {
    const run = this.#newRun(spec)
    await run.admit()
    return run
  }

  /** Cancels a run, or the one that holds a session, of whichever process. Resolves when it has ended. */
  async cancel(
    target: string | { readonly session: string },
    options: CancelOptions | string = {},
  ): Promise<Outcome> {
    return this.link.call('cancel', {
      target: typeof target === 'string' ? { run: target } : target,
      ...parseCancel(options),
    })
  }

  /** Closes a session's breaker and forgets its failures. Resolves to the breaker as it was, null where there was none. */
  async closeBreaker(session: string): Promise<BreakerView | null> {
    return viewBreaker(await this.link.call('closeBreaker', { session }))
  }

  /** Closes with the process's first SIGINT, SIGTERM or SIGHUP; the option `handleSignals` of `openSupervisor`. */
  closeOnSignal(): void {
    this.#unsubscribe = closeOnSignal((within) => this.close({ within }))
  }

  /**
   * Admits no more, ends every run as cancelled with cause `shutdown`, in parallel, and closes the store. A second
   * call joins the first, and one with `within: 0` skips what is left of the grace.
   */
  override close({ within }: CloseOptions = {}): Promise<void> {
    const time = within === undefined ? Number.POSITIVE_INFINITY : parseDuration('within', within)
    if (this.#closed === null) this.#closed = this.#close(time)
    else if (time === 0) this.link.post({ type: 'hurry' })
    return this.#closed
  }

  async #close(time: number): Promise<void> {
    try {
      await this.link.close(time)
    } finally {
      this.#unsubscribe()
      // Where the store was away there are runs whose ending nobody could store; their callers must not wait.
      for (const run of this.#runs.values())
        run.abandon('the supervisor was closed before its ending could be stored')
    }
  }

  #newRun(spec: RunSpec): HostRun {
    const parsed = parseSpec(spec, this.#defaults)
    if (this.#closed !== null) throw new CoppiceError('supervisor_closed', 'the supervisor is closed')
    const run = new HostRun(this.link, parsed, (child, fn) => this.run(child, fn))
    this.#runs.set(run.id, run)
    run.outcome.then(() => this.#runs.delete(run.id))
    return run
  }
}

async function settle<T>(run: HostRun, fn: (run: Run) => T | Promise<T>): Promise<T> {
  await run.admit()
  const settled = (async () => fn(run))().then(
    (value) => {
      run.settled()
      return { value }
    },
    (error: unknown) => {
      run.settled(error ?? new Error(`the callback threw ${String(error)}`))
      return { error }
    },
  )
  const over = await run.over
  if (!isCoppiceError(over, 'run_ended')) throw over
  const end = await settled
  if ('error' in end) throw end.error
  return end.value
}
