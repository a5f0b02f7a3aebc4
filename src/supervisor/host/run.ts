import { smallerLimits } from '../../containment/limits.js'
import { CoppiceError, fromErrorMessage } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import { isTerminal, type State } from '../../runs/states.js'
import { deferred } from '../../timers.js'
import { runError } from '../run-error.js'
import { type CancelOptions, parseCancel } from './cancel-options.js'
import { ExecHandle } from './exec-handle.js'
import { type ExecOptions, parseExec } from './exec-options.js'
import type { KeeperLink } from './link.js'
import type { ParsedSpec, RunSpec } from './spec.js'
import { thrownRecord } from './thrown.js'
import { untoldOutcome } from './untold-outcome.js'

/** A run as its callback has it. */
export interface Run {
  readonly id: string
  readonly session: string | null
  /** Grows with each run that is admitted to the session; for fencing writes to systems of the caller's own. */
  readonly fence: number
  /** Aborts when the run begins to end for whatever cause; its reason is a `CoppiceError`. */
  readonly signal: AbortSignal
  /** Adds an entry, any JSON value, to the session's transcript. Resolves, when it is durable, to its position. */
  append(entry: unknown): Promise<string>
  /** Replaces the run's draft, which its ending will hold: the part of an answer that is there so far. */
  draft(entry: unknown): Promise<void>
  /** Launches a command in a process tree of its own. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): ExecHandle
  /**
   * Runs `fn` as a run of its own whose parent is this one, usually in a session of its own. Resolves to its value, and
   * rejects as `supervisor.run` does: with `deadlock` where it would wait for what only this run's end gives free.
   */
  subagent<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T>
  /** Throws unless the run goes on and still holds its session: to be asked before a side effect. */
  check(): Promise<void>
  /** Ends the run as `cancelled`, with its trees. Resolves when it is terminal and the session free. */
  cancel(options?: CancelOptions | string): Promise<Outcome>
}

/** A run that was begun without a callback. */
export interface BegunRun extends Run, AsyncDisposable {
  readonly outcome: Promise<Outcome>
  /** Ends the run: as `succeeded`, or as `failed` where there is an `error`. */
  end(result?: { readonly error?: unknown }): Promise<Outcome>
}

/** What `start` gives: the run from outside. */
export interface RunHandle<T> {
  readonly id: string
  readonly session: string | null
  readonly state: State
  readonly signal: AbortSignal
  /** How it ended; never rejects. */
  readonly outcome: Promise<Outcome>
  /** What the callback returned; rejects with what it threw, or with a `CoppiceError` where the run ended otherwise. */
  readonly result: Promise<T>
  cancel(options?: CancelOptions | string): Promise<Outcome>
}

type RunChild = <T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>) => Promise<T>

/** Both faces of a run on the host's thread. What it knows of the run's state is what the keeper said last. */
export class HostRun implements BegunRun {
  readonly id: string
  readonly session: string | null
  readonly #spec: ParsedSpec
  readonly #link: KeeperLink
  readonly #runChild: RunChild
  readonly #abort = new AbortController()
  readonly #outcome = deferred<Outcome>()
  readonly #over = deferred<CoppiceError>()
  #state: State = 'waiting'
  #fence = 0
  #trees = 0

  constructor(link: KeeperLink, spec: ParsedSpec, runChild: RunChild) {
    this.id = spec.request.run
    this.session = spec.request.session
    this.#spec = spec
    this.#link = link
    this.#runChild = runChild
    link.keepAlive(this.#outcome.promise)
    link.listenToRun(this.id, (message) => {
      if (message.type === 'ended') this.terminal(message.outcome)
      else if (message.type === 'abort') this.#stopping(fromErrorMessage(message.error))
      else this.#over.resolve(fromErrorMessage(message.error))
    })
  }

  get fence(): number {
    return this.#fence
  }

  get state(): State {
    return this.#state
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get outcome(): Promise<Outcome> {
    return this.#outcome.promise
  }

  /** Resolves when the caller need wait no longer: with the error of a run that did not just return or throw. */
  get over(): Promise<CoppiceError> {
    return this.#over.promise
  }

  /** Resolves when the run has its session; rejects where it ends before it gets it. */
  async admit(): Promise<void> {
    const { signal, request } = this.#spec
    const cancel = () => void this.cancel(reasonOf(signal)).catch(() => {})
    signal?.addEventListener('abort', cancel, { once: true })
    this.#over.promise.then(() => signal?.removeEventListener('abort', cancel))
    const admitted = this.#link.call('admit', request)
    if (signal?.aborted) cancel()
    try {
      const { fence } = await admitted
      this.#fence = fence
      if (this.#state === 'waiting') this.#state = 'running'
    } catch (error) {
      // Where the store could not take the run there is no ending of it, and nobody will tell one.
      if (!isTerminal(this.#state)) this.abandon(error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  async append(entry: unknown): Promise<string> {
    this.#refuseAfterEnd()
    return this.#link.call('append', { run: this.id, body: toJson('entry', entry) })
  }

  async draft(entry: unknown): Promise<void> {
    this.#refuseAfterEnd()
    await this.#link.call('draft', { run: this.id, body: entry === null ? null : toJson('draft', entry) })
  }

  exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): ExecHandle {
    const tree = `${this.id}.${++this.#trees}`
    const bounds = { ...this.#spec.request.bounds, timeout: Number.POSITIVE_INFINITY }
    const { limits } = this.#spec
    const exec = parseExec({ run: this.id, tree }, command, args, options, { bounds, limits })
    const told = smallerLimits(exec.request.limits, this.#spec.request.sessionBudget.limits)
    return new ExecHandle(
      {
        link: async () => {
          this.#refuseAfterEnd()
          if (this.signal.aborted) throw this.signal.reason
          return this.#link
        },
        error: () => this.signal.reason as CoppiceError,
      },
      exec,
      told,
    )
  }

  async subagent<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T> {
    this.#refuseAfterEnd()
    if (this.signal.aborted) throw this.signal.reason
    return this.#runChild({ ...spec, parent: this.id }, fn)
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
    this.#over.resolve(error)
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
    const error = runError({ run: this.id, session: this.session }, outcome.cause, outcome.message)
    if (!this.signal.aborted) this.#abort.abort(error)
    this.#over.resolve(error)
    this.#outcome.resolve(outcome)
  }

  #stopping(error: CoppiceError): void {
    this.#state = 'stopping'
    if (!this.signal.aborted) this.#abort.abort(error)
  }

  /** Until its end a run takes entries, so that a callback can write its partial work down; after it, nothing. */
  #refuseAfterEnd(): void {
    if (!isTerminal(this.#state)) return
    const { id: run, session } = this
    throw new CoppiceError('run_ended', `run ${run} has ended as ${this.#state}`, { run, session })
  }
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
