import { noLimits, smallerLimits } from '../../containment/limits.js'
import { CoppiceError, fromErrorMessage, isCoppiceError } from '../../errors.js'
import { defaultBounds } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import { isTerminal, type State } from '../../runs/states.js'
import { deferred } from '../../timers.js'
import type { Stillness } from '../messages.js'
import { pace } from '../pace.js'
import { runError } from '../run-error.js'
import type { Part } from './activity.js'
import { type AttemptContext, Attempts } from './attempt.js'
import type { AttemptOptions } from './attempt-options.js'
import { type CancelOptions, parseCancel } from './cancel-options.js'
import { ExecHandle } from './exec-handle.js'
import { type ExecOptions, parseExec } from './exec-options.js'
import type { KeeperLink } from './link.js'
import type { BegunRun, Run } from './run-faces.js'
import { RunProgress } from './run-progress.js'
import type { ParsedSpec, RunSpec } from './spec.js'
import { thrownRecord } from './thrown.js'
import type { RunSpan } from './tracing.js'
import { untoldOutcome } from './untold-outcome.js'
import { parseWaitBound, type WaitOptions } from './waits.js'

type RunChild = <T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>) => Promise<T>

/** What a run needs only while it lives: callbacks that never settle hold their runs for ever, and these are most of it. */
interface Living {
  readonly spec: ParsedSpec
  readonly runChild: RunChild
  readonly progress: RunProgress
  attempts: Attempts | null
  tellOutcome(outcome: Outcome): void
  tellOver(error: CoppiceError): void
}

/** How many runs this thread has. */
let living = 0
pace.isShared = () => living > 1

/** Both faces of a run on the host's thread. What it knows of the run's state is what the keeper said last. */
export class HostRun implements BegunRun {
  readonly id: string
  readonly session: string | null
  /** Null where nobody traces. */
  readonly span: RunSpan | null
  readonly outcome: Promise<Outcome>
  /** Resolves when the caller need wait no longer: with the error of a run that did not just return or throw. */
  readonly over: Promise<CoppiceError>
  readonly #link: KeeperLink
  readonly #abort = new AbortController()
  #state: State = 'waiting'
  #fence = 0
  #deadline = Number.POSITIVE_INFINITY
  #trees = 0
  /** Until its end. */
  #living: Living | null

  constructor(link: KeeperLink, spec: ParsedSpec, runChild: RunChild, span: RunSpan | null) {
    const id = spec.request.run
    const outcome = deferred<Outcome>()
    const over = deferred<CoppiceError>()
    this.span = span
    this.id = id
    this.session = spec.request.session
    this.outcome = outcome.promise
    this.over = over.promise
    this.#link = link
    this.#living = {
      spec,
      runChild,
      progress: new RunProgress((waits) => link.call('waits', { run: id, waits })),
      attempts: null,
      tellOutcome: outcome.resolve,
      tellOver: over.resolve,
    }
    link.keepAlive(this.outcome)
    living += 1
    link.listenToRun(id, (message) => {
      if (message.type === 'ended') this.terminal(message.outcome)
      else if (message.type === 'abort') this.#stopping(fromErrorMessage(message.error))
      else if (message.type === 'askStill') link.post({ type: 'still', of: id, still: this.stillness })
      else if (message.type === 'unstored') this.#living?.tellOver(fromErrorMessage(message.error))
    })
  }

  get fence(): number {
    return this.#fence
  }

  /** How long neither it nor anything that it has started has made progress. One that waits for its session does so by right. */
  get stillness(): Stillness {
    if (this.#state === 'waiting' || this.#living === null)
      return { milliseconds: 0, doing: `waiting for session ${this.session}`, isWaiting: true }
    const { attempts, progress } = this.#living
    return progress.stillness(attempts?.isPausing ?? false)
  }

  /** As its parent tells of it. */
  get asSubagent(): Part {
    const still = () => this.stillness
    const { id, session } = this
    return {
      get stillness() {
        const { doing, ...rest } = still()
        return {
          ...rest,
          doing: `subagent ${id}${session === null ? '' : ` of session ${session}`}, at ${doing}`,
        }
      },
    }
  }

  /** Something that makes progress on the run's behalf, until it is over. */
  partOf(part: Part, over: PromiseLike<unknown>): void {
    this.#living?.progress.add(part, over)
  }

  get state(): State {
    return this.#state
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Calls its callback, in which its span is the active one. */
  within<T>(callback: () => T): T {
    return this.span === null ? callback() : this.span.within(callback)
  }

  /** Resolves when the run has its session; rejects where it ends before it gets it. */
  async admit(): Promise<void> {
    if (this.#living === null) throw this.signal.reason
    const { spec, progress } = this.#living
    const { signal, request } = spec
    const cancel = () => void this.cancel(reasonOf(signal)).catch(() => {})
    signal?.addEventListener('abort', cancel, { once: true })
    this.over.then(() => signal?.removeEventListener('abort', cancel))
    const admitted = this.#link.call('admit', request)
    if (signal?.aborted) cancel()
    try {
      const { fence } = await admitted
      this.#fence = fence
      this.span?.admitted(fence)
      progress.touch()
      this.#deadline = performance.now() + request.bounds.timeout
      if (this.#state === 'waiting') this.#state = 'running'
    } catch (error) {
      // Where the store could not take the run there is no ending of it, and nobody will tell one.
      if (!isTerminal(this.#state)) this.abandon(error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  async append(entry: unknown): Promise<string> {
    this.#refuseAfterEnd()
    this.#living?.progress.touch()
    return this.#link.call('append', { run: this.id, body: toJson('entry', entry) })
  }

  async draft(entry: unknown): Promise<void> {
    this.#refuseAfterEnd()
    this.#living?.progress.touch()
    await this.#link.call('draft', { run: this.id, body: entry === null ? null : toJson('draft', entry) })
  }

  exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): ExecHandle {
    const tree = `${this.id}.${++this.#trees}`
    // A command without bounds of its own has its run's.
    const unbounded = { timeout: Number.POSITIVE_INFINITY, stallTimeout: Number.POSITIVE_INFINITY }
    const spec = this.#living?.spec
    const bounds = { ...(spec?.request.bounds ?? defaultBounds), ...unbounded }
    const limits = spec?.limits ?? noLimits
    const exec = parseExec({ run: this.id, tree }, command, args, options, { bounds, limits })
    const told = smallerLimits(exec.request.limits, spec?.request.sessionBudget.limits ?? noLimits)
    const handle = new ExecHandle(
      {
        link: async () => {
          this.#refuseAfterEnd()
          if (this.signal.aborted) throw this.signal.reason
          return this.#link
        },
        error: () => this.signal.reason as CoppiceError,
        trace: (request) => this.span?.exec(request) ?? null,
      },
      exec,
      told,
    )
    this.partOf(handle, handle)
    return handle
  }

  progress(label?: string): void {
    if (label !== undefined && typeof label !== 'string')
      throw new CoppiceError('invalid_option', `progress: the label must be a text`)
    this.#living?.progress.touch()
    if (label !== undefined) this.#living?.progress.label(label)
  }

  async waitFor<T>(what: string, promise: PromiseLike<T>, options: WaitOptions): Promise<T> {
    // Whatever becomes of the wait, its rejection is this call's to tell.
    Promise.resolve(promise).catch(() => {})
    const bound = parseWaitBound(what, options)
    const { progress } = this.#whileLiving()
    try {
      return await progress.waits.for(what, promise, bound, this.signal)
    } finally {
      progress.touch()
    }
  }

  async subagent<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T> {
    const { runChild } = this.#whileLiving()
    if (this.signal.aborted) throw this.signal.reason
    return runChild({ ...spec, parent: this.id }, fn)
  }

  attempt<T>(fn: (context: AttemptContext) => T | PromiseLike<T>, options: AttemptOptions = {}): Promise<T> {
    const living = this.#living
    if (living === null) return Promise.reject(this.#endedError())
    living.attempts ??= new Attempts(
      {
        signal: this.signal,
        append: (entry) => this.append(entry),
        progress: () => this.progress(),
        refuseAfterEnd: () => this.#refuseAfterEnd(),
        timeLeft: () => this.#deadline - performance.now(),
      },
      living.spec.retries,
    )
    return living.attempts.make(fn, options)
  }

  async check(): Promise<void> {
    this.#refuseAfterEnd()
    if (this.signal.aborted) throw this.signal.reason
    await this.#link.call('check', { run: this.id })
  }

  async cancel(options: CancelOptions | string = {}): Promise<Outcome> {
    if (isTerminal(this.#state)) return this.outcome
    return this.#link.call('cancel', { target: { run: this.id }, ...parseCancel(options) })
  }

  async end({ error }: { readonly error?: unknown } = {}): Promise<Outcome> {
    this.settled(error)
    return this.outcome
  }

  /** Leaving the scope without `end` is no success: something threw, or somebody forgot. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.signal.aborted) {
      const why = 'its scope was left before end()'
      this.#stopping(runError({ run: this.id, session: this.session }, 'cancelled', why))
      this.cancel(why).catch(() => {})
    }
    this.settled()
    await this.outcome
  }

  /** The callback has returned, or thrown `error`. */
  settled(error?: unknown): void {
    if (isTerminal(this.#state)) return
    this.#link.post({
      type: 'settled',
      run: this.id,
      error: error === undefined ? null : thrownRecord(error),
    })
    if (!this.signal.aborted)
      this.#stopping(
        runError({ run: this.id, session: this.session }, error === undefined ? 'returned' : 'threw', null),
      )
  }

  /** The keeper died. The outcome follows when another has ended what it left. */
  lost(error: CoppiceError): void {
    if (isTerminal(this.#state)) return
    this.#link.forgetRun(this.id)
    this.#stopping(error)
    this.#living?.tellOver(error)
  }

  /** Ends the run for the host alone: nobody is left who could say more of it. */
  abandon(why: string): void {
    this.#link.forgetRun(this.id)
    const { id, session, fence } = this
    this.terminal(untoldOutcome({ id, session, fence }, why))
  }

  terminal(outcome: Outcome): void {
    if (isTerminal(this.#state)) return
    this.#state = outcome.state
    this.span?.end(outcome)
    const error = runError({ run: this.id, session: this.session }, outcome.cause, outcome.message)
    if (!this.signal.aborted) this.#abort.abort(error)
    const heard: unknown = this.signal.reason
    this.#living?.tellOver(isSame(heard, error) ? heard : error)
    this.#living?.tellOutcome(outcome)
    this.#living = null
    living -= 1
  }

  #stopping(error: CoppiceError): void {
    this.#state = 'stopping'
    if (!this.signal.aborted) this.#abort.abort(error)
  }

  #whileLiving(): Living {
    if (this.#living === null) throw this.#endedError()
    return this.#living
  }

  /** Until its end a run takes entries, so that a callback can write its partial work down; after it, nothing. */
  #refuseAfterEnd(): void {
    if (isTerminal(this.#state)) throw this.#endedError()
  }

  #endedError(): CoppiceError {
    const { id: run, session } = this
    const code = this.#state === 'lost' ? 'run_lost' : 'run_ended'
    return new CoppiceError(code, `run ${run} has ended as ${this.#state}`, { run, session })
  }
}

function isSame(heard: unknown, { code, message }: CoppiceError): heard is CoppiceError {
  return isCoppiceError(heard, code) && heard.message === message
}

function reasonOf(signal: AbortSignal | null): string {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason.message : String(reason)
}

function toJson(what: string, value: unknown): string {
  try {
    const text = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (cause) {
    throw new CoppiceError('invalid_option', `${what}: cannot be written as JSON`, { cause })
  }
  throw new CoppiceError('invalid_option', `${what}: ${typeof value} is no JSON value`)
}
