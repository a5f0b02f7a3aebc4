import { CoppiceError, fromErrorMessage } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { State } from '../../runs/states.js'
import type { Begun, Follows } from '../calls.js'
import type { Stillness } from '../messages.js'
import { runError } from '../run-error.js'
import type { Part } from './activity.js'
import { type AppendOptions, parseAppend } from './append-options.js'
import type { AttemptContext } from './attempt.js'
import type { AttemptOptions } from './attempt-options.js'
import { type CancelOptions, parseCancel } from './cancel-options.js'
import type { ExecHandle } from './exec-handle.js'
import type { ExecOptions } from './exec-options.js'
import type { RunInbox } from './inbox.js'
import { toJson } from './json-text.js'
import type { KeeperLink } from './link.js'
import { execInRun } from './run-exec.js'
import type { Accepted, BegunRun, Run } from './run-faces.js'
import { RunLife } from './run-life.js'
import { longestLabel, subagentPart } from './run-progress.js'
import { type RunChild, RunWork } from './run-work.js'
import type { ParsedSpec, RunSpec } from './spec.js'
import { thrownRecord } from './thrown.js'
import type { RunSpan } from './tracing.js'
import { closedTooSoon, untoldOutcome } from './untold-outcome.js'
import { parseWaitBound, type WaitOptions } from './waits.js'

/** Both faces of a run on the host's thread. What it knows of the run's state is what the keeper said last. */
export class HostRun implements BegunRun {
  readonly id: string
  readonly session: string | null
  /** Null where nobody traces. */
  readonly span: RunSpan | null
  readonly outcome: Promise<Outcome>
  /** Resolves when the caller need wait no longer: with the error of a run that did not just return or throw. */
  readonly over: Promise<CoppiceError>
  readonly accepted: Promise<Accepted>
  readonly #link: KeeperLink
  readonly #life: RunLife
  #fence = 0
  #request: Run['request'] = null
  /** Whose request it is already. */
  #follows: Follows | null = null
  #trees = 0
  /** Until its end. */
  #work: RunWork | null

  constructor(link: KeeperLink, spec: ParsedSpec, runChild: RunChild, span: RunSpan | null) {
    const { run: id, session } = spec.request
    const life = new RunLife(id, session)
    this.span = span
    this.id = id
    this.session = session
    this.outcome = life.outcome
    this.over = life.over
    this.accepted = life.accepted
    this.#life = life
    this.#link = link
    this.#work = new RunWork(link, life, spec, runChild)
    link.keepAlive(this.outcome)
    link.listenToRun(id, (message) => {
      if (message.type === 'ended') this.terminal(message.outcome)
      else if (message.type === 'abort') life.stop(fromErrorMessage(message.error))
      else if (message.type === 'askStill') link.post({ type: 'still', of: id, still: this.stillness })
      else if (message.type === 'waits') life.wasAccepted({ state: 'waiting', run: id })
      else if (message.type === 'message') this.#work?.heard()
      else if (message.type === 'unstored') life.giveUp(fromErrorMessage(message.error))
    })
  }

  get fence(): number {
    return this.#fence
  }

  /** How long neither it nor anything that it has started has made progress. One that waits for its session does so by right. */
  get stillness(): Stillness {
    if (this.state === 'waiting' || this.#work === null)
      return { milliseconds: 0, doing: `waiting for session ${this.session}`, isWaiting: true }
    return this.#work.stillness
  }

  /** As its parent tells of it. */
  get asSubagent(): Part {
    return subagentPart(this)
  }

  /** Something that makes progress on the run's behalf, until it is over. */
  partOf(part: Part, over: PromiseLike<unknown>): void {
    this.#work?.progress.add(part, over)
  }

  get request(): Run['request'] {
    return this.#request
  }

  get inbox(): RunInbox {
    return this.#whileLiving().inbox
  }

  /** Whether another run has its request. */
  get isFollowing(): boolean {
    return this.#follows !== null
  }

  get state(): State {
    return this.#life.state
  }

  get signal(): AbortSignal {
    return this.#life.signal
  }

  /** Calls its callback, in which its span is the active one. */
  within<T>(callback: () => T): T {
    return this.span === null ? callback() : this.span.within(callback)
  }

  /** Resolves when the run has its session, or follows another that has its request; rejects where it ends before that. */
  async admit(): Promise<void> {
    if (this.#work === null) throw this.signal.reason
    const { spec, progress } = this.#work
    const { signal, request } = spec
    const cancel = () => void this.cancel(reasonOf(signal)).catch(() => {})
    signal?.addEventListener('abort', cancel, { once: true })
    this.over.then(() => signal?.removeEventListener('abort', cancel))
    const admitted = this.#link.call('admit', request)
    if (signal?.aborted) cancel()
    try {
      const answer = await admitted
      if ('follows' in answer) this.#follow(answer)
      else this.#begin(answer, spec)
      // Again: while the store was away nobody could cancel what waits.
      if (signal?.aborted) cancel()
      progress.touch()
    } catch (error) {
      this.#life.wasRefused(error)
      // Where the store could not take the run there is no ending of it, and nobody will tell one.
      const why = error instanceof Error ? error.message : String(error)
      if (!this.#life.hasEnded) this.abandon(this.#link.isClosed ? closedTooSoon : why)
      throw error
    }
  }

  #begin({ fence, request: facts }: Begun, { request: { request } }: ParsedSpec): void {
    this.#fence = fence
    this.span?.admitted(fence)
    this.#work?.begin()
    if (request !== null && facts !== null) {
      const payload = JSON.parse(facts.payload ?? request.payload ?? 'null')
      this.#request = { id: request.id, payload, tries: facts.tries }
    }
    this.#life.begin()
  }

  #follow(answer: Follows): void {
    this.#follows = answer
    const state = answer.as === 'message' ? 'delivered' : 'duplicate'
    this.#life.wasAccepted({ state, run: answer.follows })
  }

  async append(entry: unknown, options: AppendOptions = {}): Promise<string> {
    this.#life.refuseAfterEnd()
    this.#work?.progress.touch()
    return this.#link.call('append', {
      run: this.id,
      body: toJson('entry', entry),
      ...parseAppend(options),
    })
  }

  async draft(entry: unknown): Promise<void> {
    this.#life.refuseAfterEnd()
    this.#work?.progress.touch()
    await this.#link.call('draft', { run: this.id, body: entry === null ? null : toJson('draft', entry) })
  }

  exec(command: string, args: readonly string[] = [], options: ExecOptions = {}): ExecHandle {
    const identity = { run: this.id, tree: `${this.id}.${++this.#trees}` }
    const handle = execInRun(identity, [command, args, options], this.#work?.spec ?? null, {
      link: async () => {
        this.#life.refuseAfterEnd()
        if (this.signal.aborted) throw this.signal.reason
        return this.#link
      },
      error: () => this.signal.reason as CoppiceError,
      trace: (request) => this.span?.exec(request) ?? null,
    })
    this.partOf(handle, handle)
    return handle
  }

  progress(label?: string): void {
    if (label !== undefined && typeof label !== 'string')
      throw new CoppiceError('invalid_option', `progress: the label must be a text`)
    this.#work?.progress.touch()
    if (label !== undefined && this.#work?.progress.label(label))
      this.#link.post({ type: 'label', run: this.id, label: label.slice(0, longestLabel) })
  }

  async waitFor<T>(what: string, promise: PromiseLike<T>, options: WaitOptions): Promise<T> {
    // Whatever becomes of the wait, its rejection is this call's to tell.
    Promise.resolve(promise).catch(() => {})
    const bound = parseWaitBound(what, options)
    return this.#whileLiving().waitFor(what, promise, bound)
  }

  async subagent<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T> {
    const { runChild } = this.#whileLiving()
    if (this.signal.aborted) throw this.signal.reason
    return runChild({ ...spec, parent: this.id }, fn)
  }

  attempt<T>(fn: (context: AttemptContext) => T | PromiseLike<T>, options: AttemptOptions = {}): Promise<T> {
    if (this.#work === null) return Promise.reject(this.#life.endedError())
    return this.#work.attempt(this, fn, options)
  }

  async check(): Promise<void> {
    this.#life.refuseAfterEnd()
    if (this.signal.aborted) throw this.signal.reason
    await this.#link.call('check', { run: this.id })
  }

  async cancel(options: CancelOptions | string = {}): Promise<Outcome> {
    // Before that it is not known whose run it is.
    if (this.#work?.spec.request.request) await this.accepted.catch(() => {})
    if (this.#life.hasEnded) return this.outcome
    // A message that was handed to a run is that run's: it is not ended for it.
    if (this.#follows?.as === 'message') return this.outcome
    const run = this.#follows?.follows ?? this.id
    return this.#link.call('cancel', { target: { run }, ...parseCancel(options) })
  }

  async end({ error }: { readonly error?: unknown } = {}): Promise<Outcome> {
    this.settled(error)
    return this.outcome
  }

  /** Leaving the scope without `end` is no success: something threw, or somebody forgot. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.signal.aborted) {
      const why = 'its scope was left before end()'
      this.#life.stop(runError(this.#life, 'cancelled', why))
      this.cancel(why).catch(() => {})
    }
    this.settled()
    await this.outcome
  }

  /** The callback has returned, or thrown `error`. */
  settled(error?: unknown): void {
    if (!this.#life.settle()) return
    this.#link.post({
      type: 'settled',
      run: this.id,
      error: error === undefined ? null : thrownRecord(error),
      through: this.#work?.through ?? [],
    })
    if (!this.signal.aborted)
      this.#life.stop(runError(this.#life, error === undefined ? 'returned' : 'threw', null))
  }

  /** The keeper died. The outcome follows when another has ended what it left. */
  lost(error: CoppiceError): void {
    if (this.#life.hasEnded) return
    this.#link.forgetRun(this.id)
    this.#life.stop(error)
    this.#life.giveUp(error)
  }

  /** Ends the run for the host alone: nobody is left who could say more of it. */
  abandon(why: string): void {
    this.#link.forgetRun(this.id)
    const { id, session, fence } = this
    this.terminal(untoldOutcome({ id, session, fence }, why))
  }

  terminal(outcome: Outcome): void {
    if (this.#life.hasEnded) return
    this.span?.end(outcome)
    this.#life.end(outcome)
    this.#work = null
  }

  #whileLiving(): RunWork {
    if (this.#work === null) throw this.#life.endedError()
    return this.#work
  }
}

function reasonOf(signal: AbortSignal | null): string {
  return thrownRecord(signal?.reason).message
}
