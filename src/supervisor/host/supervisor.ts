import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { EventName } from '../events.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { buryKeeper } from './burial.js'
import { type CancelOptions, parseCancel } from './cancel-options.js'
import { type CloseOptions, type ParsedClose, parseClose } from './close-options.js'
import { handleEnding } from './endings.js'
import { GivingUp } from './giving-up.js'
import type { HealthChecks } from './health-checks.js'
import { healthInside } from './health-inside.js'
import type { HealthReport } from './health-report.js'
import { KeeperLink } from './link.js'
import { type KeepOption, parseKeep } from './message-options.js'
import type { HostNews, Listener } from './news.js'
import { Observer } from './observer.js'
import { duplicate, HostRequests, handleOf, type WithoutRequest, withoutValue } from './requests.js'
import { HostRun } from './run.js'
import type { BegunRun, Run, RunHandle } from './run-faces.js'
import type { RunChild } from './run-work.js'
import { closeOnSignal } from './signals.js'
import { parseSpec, type RunDefaults, type RunSpec } from './spec.js'
import { parseOptions, type SupervisorOptions } from './supervisor-options.js'
import { RunSpan } from './tracing.js'
import { closedTooSoon } from './untold-outcome.js'
import { type BreakerView, viewBreaker } from './views.js'

/** Opens a supervisor, with a keeper thread of its own. Rejects with `store_unavailable`, `store_too_new` or `invalid_option`. */
export async function openSupervisor(options: SupervisorOptions = {}): Promise<Supervisor> {
  const { settings, defaults, news, checks, signals, endings } = parseOptions(options)
  const link = await KeeperLink.open(settings, (message) => news.receive(message))
  const supervisor = new Supervisor(settings, link, defaults, news, checks)
  if (endings !== null) {
    link.onEnding = (ending) => handleEnding(endings.handle, ending)
    await link.call('tellEndings', undefined)
  }
  if (signals !== null) supervisor.closeOnSignal(signals)
  return supervisor
}

/** One per gateway process. Its runs are supervised by its keeper, whatever the host's own thread does. */
export class Supervisor extends Observer {
  readonly #settings: KeeperSettings
  readonly #defaults: RunDefaults
  readonly #runs = new Map<string, HostRun>()
  readonly #requests = new HostRequests()
  readonly #news: HostNews
  readonly #checks: HealthChecks
  readonly #givingUp = new GivingUp()
  #closed: Promise<void> | null = null
  /** What is left to the end of a close after its drain. */
  #within = Number.POSITIVE_INFINITY
  #unsubscribe: () => void = () => {}

  constructor(
    settings: KeeperSettings,
    link: KeeperLink,
    defaults: RunDefaults,
    news: HostNews,
    checks: HealthChecks,
  ) {
    super(link, settings.store?.location ?? '')
    this.#settings = settings
    this.#defaults = defaults
    this.#news = news
    this.#checks = checks
    news.onInterest = (names) => link.post({ type: 'listen', names })
    link.onDeath = (error) =>
      void buryKeeper(this.#settings, link.supervisor, [...this.#runs.values()], error, news)
  }

  /**
   * Runs `fn` as one run and resolves to its value once the run is terminal and its session free. Rejects with
   * what `fn` threw, or with a `CoppiceError` where the run ended otherwise.
   *
   * Where another run has the request, or has ended it, `fn` is not called: it resolves to the value of that run where it is
   * one of this supervisor's that has not ended, else to undefined where that succeeded, and rejects where it did not.
   */
  run<T>(spec: WithoutRequest, fn: (run: Run) => T | Promise<T>): Promise<T>
  run<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T | undefined>
  run<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T | undefined> {
    return this.start(spec, fn).result
  }

  /** As `run`, but gives the handle at once: the same one for a request that a run of this supervisor has. */
  start<T>(spec: WithoutRequest, fn: (run: Run) => T | Promise<T>): RunHandle<T>
  start<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): RunHandle<T | undefined>
  start<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): RunHandle<T | undefined> {
    const known = this.#requests.handleOf(spec)
    if (known !== null) return known as RunHandle<T | undefined>
    const run = this.#newRun(spec)
    const handle = handleOf(run, settle(run, fn))
    this.#requests.add(spec, run, handle)
    return handle
  }

  /**
   * Resolves to an admitted run for a host without a callback; `end` ends it. `request_duplicate` where another run has the
   * request, or has ended it.
   */
  async begin(spec: RunSpec): Promise<BegunRun> {
    const known = this.#requests.begunOf(spec)
    const run = known ?? this.#newRun(spec)
    if (known === null) this.#requests.add(spec, run, null)
    const { run: id } = await (known === null ? run.admit().then(() => run.accepted) : run.accepted)
    if (run.isFollowing) throw duplicate(spec.request?.id, id, run.session)
    return run
  }

  /** Forgets old runs that no transcript needs, also those of other supervisors. Default: what the option `keep` says. */
  prune(keep?: KeepOption): Promise<{ runs: number; requests: number; trees: number }> {
    return this.link.call('prune', keep === undefined ? this.#settings.keep : parseKeep(keep))
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

  /**
   * How this supervisor and all others of its store are, with the host's own checks: within two seconds, whatever hangs.
   * Rejects with `supervisor_closed` after a close.
   */
  health(): Promise<HealthReport> {
    return healthInside(this.link, this.#settings, this.#checks)
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
        run.abandon(
          run.isFollowing ? 'the supervisor was closed, and its request is another run’s' : closedTooSoon,
        )
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
    const runChild: RunChild = (child, fn) => this.start(child as WithoutRequest, fn).result
    const run = new HostRun(this.link, parsed, runChild, span)
    this.#runs.set(run.id, run)
    parentRun?.partOf(run.asSubagent, run.outcome)
    run.outcome.then(() => this.#runs.delete(run.id))
    return run
  }
}

async function settle<T>(run: HostRun, fn: (run: Run) => T | Promise<T>): Promise<T | undefined> {
  await run.admit()
  if (run.isFollowing) return withoutValue(run)
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
