import { type ContainmentKind, containmentKinds } from '../../containment/contract.js'
import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { SubagentLimits } from '../../runs/subagents.js'
import type { EventName } from '../events.js'
import type { KeeperHealth, KeeperSettings } from '../messages.js'
import { parseRetries } from './attempt-options.js'
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
import { type CloseOptions, type ParsedClose, parseClose, parseHandleSignals } from './close-options.js'
import { GivingUp } from './giving-up.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { KeeperLink } from './link.js'
import { type Logger, lowestLevel, parseLogger } from './logger.js'
import { type LoopTimeoutOption, parseLoopTimeout } from './loop-timeout.js'
import { HostNews, type Listener, type Listeners } from './news.js'
import { Observer } from './observer.js'
import { type BoundOptions, boundNames, parseBounds, refuseUnknown } from './options.js'
import { HostRun } from './run.js'
import type { BegunRun, Run, RunHandle } from './run-faces.js'
import { closeOnSignal } from './signals.js'
import { parseSpec, type RunDefaults, type RunSpec } from './spec.js'
import { type StateOptions, stateOptionNames, storeSettings } from './state.js'
import { RunSpan } from './tracing.js'
import { type BreakerView, viewBreaker } from './views.js'

export interface SupervisorOptions extends BoundOptions, StateOptions {
  /**
   * Close on SIGINT, SIGTERM and SIGHUP, then die of the signal; a second one ends the drain and the grace. `true` is
   * `{ drain: 0, within: '9s' }`, inside the ten seconds of `docker stop`. Default false.
   */
  readonly handleSignals?: boolean | CloseOptions
  /** Any logger of pino's: a line for each thing that happens to a run, a tree or the store. */
  readonly logger?: Logger
  /** Listeners from the first moment on: what a supervisor recovers as it opens is told to these alone. */
  readonly on?: Listeners
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
  /** How long the host's event loop may be blocked before that is recorded, or the process ended. Default 2 m. */
  readonly loopTimeout?: LoopTimeoutOption
  /** How often the calls of `attempt` of one run may try again, all together. Default 100. */
  readonly retries?: number
  /** What the keeper writes to stderr, by pino's levels. Default `silent`. */
  readonly logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
}

const known = [
  ...stateOptionNames,
  'containment',
  'handleSignals',
  'limits',
  'logger',
  'logLevel',
  'loopTimeout',
  'on',
  'retries',
  'budget',
  'sessionBudget',
  'subagents',
  'breaker',
  ...boundNames,
]

/** Opens a supervisor, with a keeper thread of its own. Rejects with `store_unavailable`, `store_too_new` or `invalid_option`. */
export async function openSupervisor(options: SupervisorOptions = {}): Promise<Supervisor> {
  refuseUnknown('openSupervisor', options, known)
  const defaults = {
    bounds: parseBounds(options),
    limits: parseLimits(options.limits),
    retries: parseRetries(options.retries),
    sessionBudget: parseSessionBudgets(options.sessionBudget),
    breaker: parseBreaker(options.breaker),
  }
  const signals = parseHandleSignals(options.handleSignals)
  const logger = parseLogger(options.logger)
  const news = new HostNews(logger, options.on ?? {})
  const settings: KeeperSettings = {
    store: storeSettings(options),
    containment: parseContainment(options.containment),
    logLevel: options.logLevel ?? 'silent',
    hostLog: lowestLevel(logger),
    listened: news.names,
    loopTimeout: parseLoopTimeout(options.loopTimeout),
    budget: parseBudget(options.budget),
    subagents: parseSubagents(options.subagents),
  }
  const link = await KeeperLink.open(settings, (message) => news.receive(message))
  const supervisor = new Supervisor(settings, link, defaults, news)
  if (signals !== null) supervisor.closeOnSignal(signals)
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
  readonly #news: HostNews
  readonly #givingUp = new GivingUp()
  #closed: Promise<void> | null = null
  /** What is left to the end of a close after its drain. */
  #within = Number.POSITIVE_INFINITY
  #unsubscribe: () => void = () => {}

  constructor(settings: KeeperSettings, link: KeeperLink, defaults: RunDefaults, news: HostNews) {
    super(link)
    this.#settings = settings
    this.#defaults = defaults
    this.#news = news
    news.onInterest = (names) => link.post({ type: 'listen', names })
    link.onDeath = (error) =>
      void buryKeeper(this.#settings, link.supervisor, [...this.#runs.values()], error, news)
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

  /** How this supervisor is. Rejects with `run_lost` where its keeper died; a keeper that hangs does not answer. */
  health(): Promise<KeeperHealth> {
    return this.link.call('health', undefined)
  }

  /** Closes a session's breaker and forgets its failures. Resolves to the breaker as it was, null where there was none. */
  async closeBreaker(session: string): Promise<BreakerView | null> {
    return viewBreaker(await this.link.call('closeBreaker', { session }))
  }

  /** Closes with the process's first SIGINT, SIGTERM or SIGHUP; the option `handleSignals` of `openSupervisor`. */
  closeOnSignal(options: CloseOptions): void {
    this.#unsubscribe = closeOnSignal((asked) => this.close(asked), options)
  }

  /** Calls `listener` with each event of that name. What it throws is told to the logger, or else as a warning. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): this {
    this.#news.on(name, listener)
    return this
  }

  /** Calls `listener` with the next event of that name. */
  once<Name extends EventName>(name: Name, listener: Listener<Name>): this {
    this.#news.once(name, listener)
    return this
  }

  off<Name extends EventName>(name: Name, listener: Listener<Name>): this {
    this.#news.off(name, listener)
    return this
  }

  /**
   * Admits no more, lets what runs finish for as long as `drain` says, then ends every run that is left as cancelled with
   * cause `shutdown`, in parallel, and closes the store. A second call joins the first, and can shorten it: `drain: 0`
   * ends the drain, `within: 0` the drain and the grace.
   */
  override close(options: CloseOptions = {}): Promise<void> {
    const asked = parseClose(options)
    if (this.#closed === null) this.#closed = this.#close(asked)
    else this.#hasten(asked)
    return this.#closed
  }

  #hasten({ drain, within }: ParsedClose): void {
    if (drain === null && within === null) return
    this.link.post({ type: 'hasten', haste: { drain, within } })
    if (within !== null) this.#within = Math.min(this.#within, within)
    if (within === 0) this.#givingUp.after(0, 0)
    else if (drain !== null) this.#givingUp.after(drain, this.#within)
  }

  async #close({ drain, within }: ParsedClose): Promise<void> {
    const request = { drain: drain ?? 0, within: within ?? Number.POSITIVE_INFINITY }
    this.#within = request.within
    this.#givingUp.after(request.drain, request.within)
    try {
      await this.link.close(request, this.#givingUp.over)
    } finally {
      this.#givingUp.stop()
      this.#unsubscribe()
      // Where the store was away there are runs whose ending nobody could store; their callers must not wait.
      for (const run of this.#runs.values())
        run.abandon('the supervisor was closed before its ending could be stored')
    }
  }

  #newRun(spec: RunSpec): HostRun {
    const parsed = parseSpec(spec, this.#defaults)
    const { parent } = parsed.request
    const parentRun = parent === null ? undefined : this.#runs.get(parent)
    // While a close leaves runs the time to finish, they may start what they need for that: the keeper knows until when.
    if (this.#closed !== null && parentRun === undefined)
      throw new CoppiceError('supervisor_closed', 'the supervisor is closed')
    const span = RunSpan.start(parsed.request, parentRun?.span ?? null)
    const run = new HostRun(this.link, parsed, (child, fn) => this.run(child, fn), span)
    this.#runs.set(run.id, run)
    parentRun?.partOf(run.asSubagent, run.outcome)
    run.outcome.then(() => this.#runs.delete(run.id))
    return run
  }
}

async function settle<T>(run: HostRun, fn: (run: Run) => T | Promise<T>): Promise<T> {
  await run.admit()
  const settled = (async () => run.within(() => fn(run)))().then(
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
