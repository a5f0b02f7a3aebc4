import { type Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { HostPipes } from '../../containment/contract.js'
import type { Limits } from '../../containment/limits.js'
import { CoppiceError } from '../../errors.js'
import { deferred } from '../../timers.js'
import type { Stillness } from '../messages.js'
import type { OutputStream, TreeRequest, TreeResult } from '../tree-request.js'
import { Activity } from './activity.js'
import { type CancelOptions, type ParsedCancel, parseCancel } from './cancel-options.js'
import type { ParsedExec } from './exec-options.js'
import { type ExecResult, toExecResult } from './exec-result.js'
import type { KeeperLink } from './link.js'
import { Output } from './output.js'
import { TreePipes } from './pipes.js'
import type { ExecSpan } from './tracing.js'

/** Characters of a command line that a message quotes. */
const longestName = 200

/** What a command belongs to. */
export interface ExecOwner {
  /** The keeper to launch in; rejects where nothing may be launched any more. */
  link(): Promise<KeeperLink>
  /** Why the command's owner ended under it. */
  error(): CoppiceError
  /** The span of a command; null where nobody traces. */
  trace(request: TreeRequest): ExecSpan | null
}

/** A command that is being launched or runs: a promise of its result, and the handle to it meanwhile. */
export class ExecHandle implements PromiseLike<ExecResult> {
  readonly id: string
  /** The root's process id; rejects as the handle does where nothing could be launched. */
  readonly pid: Promise<number>
  /** Null unless `stdio[0]` is `pipe` and there is no `input`. */
  readonly stdin: Writable | null
  readonly #owner: ExecOwner
  readonly #outputs: Record<OutputStream, Output>
  /** Null where its stdin is no pipe. */
  readonly #input: Writable | null
  readonly #result = deferred<ExecResult>()
  readonly #drainBound: number
  readonly #limits: Limits
  readonly #span: ExecSpan | null
  readonly #command: string
  readonly #activity = new Activity()
  #isLaunched = false
  #written = 0
  #link: KeeperLink | null = null
  #pipes: TreePipes | null = null
  #inputTaken: (() => void) | null = null
  #cancelled: ParsedCancel | null = null

  /** `limits` are those that it is told of, where its session's are smaller than its own. */
  constructor(owner: ExecOwner, exec: ParsedExec, limits: Limits = exec.request.limits) {
    const { tree, stdio } = exec.request
    this.id = tree
    this.#owner = owner
    this.#span = owner.trace(exec.request)
    this.#command = [exec.request.command, ...exec.request.args].join(' ').slice(0, longestName)
    const output = (stream: OutputStream) =>
      new Output(
        exec.limit,
        (bytes) => {
          if (this.#pipes === null) this.#link?.post({ type: 'credit', tree, stream, bytes })
          else this.#pipes.credit(stream, bytes)
        },
        (bytes) => this.#count(bytes),
      )
    this.#outputs = { 1: output(1), 2: output(2) }
    this.#drainBound = exec.request.bounds.drainBound
    this.#limits = limits
    this.#input = stdio[0] === 'pipe' ? this.#openInput() : null
    this.stdin = exec.input === null ? this.#input : null
    this.pid = this.#launch(exec)
    this.pid.catch((error) => this.#fail(error))
  }

  /** Its stdout, live. Take it in the turn of the call, and read it to its end: it makes the tool wait. */
  get stdout(): Readable {
    return this.#outputs[1].stream
  }

  /** Its stderr, live; see `stdout`. */
  get stderr(): Readable {
    return this.#outputs[2].stream
  }

  /** How long it has written nothing. */
  get stillness(): Stillness {
    const doing = `command ${this.#command} (${this.id})`
    // One that waits for its place, or for its launch, does so by right.
    return { milliseconds: this.#activity.still, doing, isWaiting: !this.#isLaunched }
  }

  /** Ends the command and all its descendants. A second call joins the first, and a grace of 0 hurries it. */
  async cancel(options: CancelOptions | string = {}): Promise<ExecResult> {
    this.#cancelled = parseCancel(options)
    this.#postCancel()
    return this.#result.promise
  }

  // biome-ignore lint/suspicious/noThenProperty: the handle is a promise of its result, as execa's is
  then<A = ExecResult, B = never>(
    onResult?: ((result: ExecResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.promise.then(onResult, onError)
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<ExecResult | B> {
    return this.#result.promise.catch(onError)
  }

  finally(onSettled?: (() => void) | null): Promise<ExecResult> {
    return this.#result.promise.finally(onSettled)
  }

  /** The lines of its stdout, without their line feeds; a last line needs none. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    const decoder = new StringDecoder('utf8')
    let rest = ''
    for await (const chunk of this.stdout) {
      const lines = (rest + decoder.write(chunk as Buffer)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
    rest += decoder.end()
    if (rest !== '') yield rest
    await this.#result.promise
  }

  async #launch(exec: ParsedExec): Promise<number> {
    const link = await this.#owner.link()
    this.#link = link
    link.keepAlive(this.#result.promise)
    link.listenToTree(this.id, {
      receive: (message) => {
        if (message.type === 'output') this.#outputs[message.stream].push(message.chunk)
        else if (message.type === 'stdinTaken') this.#inputTaken?.()
        else if (message.type === 'endStdin') this.#input?.end()
        else if (message.type === 'askStill') link.post({ type: 'still', of: this.id, still: this.stillness })
        else void this.#end(message.result)
      },
      lost: (error) => this.#fail(error),
    })
    const launch = link.call('launch', exec.request)
    // One that was cancelled in the turn of its call may have to wait for its launch, and need not.
    this.#postCancel()
    const launched = await launch
    this.#isLaunched = true
    this.#activity.touch()
    if ('neverLaunched' in launched) throw await this.#endUnlaunched(launched.neverLaunched)
    const { pid, pipes } = launched
    this.#span?.launched(pid)
    if (pipes !== null) this.#openPipes(pipes, link)
    if (exec.input !== null) this.#input?.end(exec.input)
    this.#postCancel()
    return pid
  }

  #openPipes(pipes: HostPipes, link: KeeperLink): void {
    try {
      this.#pipes = TreePipes.open(pipes, this.#outputs)
    } catch (error) {
      link.post({ type: 'cancelTree', tree: this.id, grace: 0, ended: 'cancelled' })
      throw error
    } finally {
      link.post({ type: 'opened', tree: this.id })
    }
  }

  /** A tree that is still being launched is not known by its id yet: then this is called again. */
  #postCancel(): void {
    if (this.#cancelled === null) return
    const { grace } = this.#cancelled
    this.#link?.post({ type: 'cancelTree', tree: this.id, grace, ended: 'cancelled' })
  }

  /** Over its limit of output it is killed at once, as over any other. */
  #count(bytes: number): void {
    this.#activity.touch()
    const before = this.#written
    this.#written += bytes
    if (before > this.#limits.output || this.#written <= this.#limits.output) return
    this.#link?.post({ type: 'cancelTree', tree: this.id, grace: 0, ended: 'over_limit' })
  }

  /** A tree may end before its launch is told: the keeper answers in turns of its own. */
  async #end(result: TreeResult): Promise<void> {
    if (
      !(await this.pid.then(
        () => true,
        () => false,
      ))
    )
      return
    await (result.lingers ? this.#pipes?.leave(this.#drainBound) : this.#pipes?.drain(this.#drainBound))
    this.#outputs[1].end()
    this.#outputs[2].end()
    this.#input?.destroy()
    const told = await toExecResult(this.#exceeded(result), this.#outputs, this.#limits)
    this.#span?.ended(told)
    if (!result.byRun) {
      this.#result.resolve(told)
      return
    }
    const { code, message, cause, ...details } = this.#owner.error()
    this.#result.reject(
      new CoppiceError(code, message, { ...details, exec: told, ...(cause === undefined ? {} : { cause }) }),
    )
  }

  /** It was cancelled while it waited for its launch: there is a result, and no pid. */
  async #endUnlaunched(result: TreeResult): Promise<CoppiceError> {
    this.#result.resolve(await toExecResult(result, this.#outputs, this.#limits))
    return new CoppiceError('launch_failed', 'the command was cancelled before its launch')
  }

  /** The tree does not know of this limit. */
  #exceeded(result: TreeResult): TreeResult {
    const { ended, report } = result
    if (ended !== 'over_limit' || report.exceeded !== null) return result
    return { ...result, report: { ...report, exceeded: 'output' } }
  }

  #fail(error: unknown): void {
    this.#span?.failed(error)
    this.#link?.forgetTree(this.id)
    this.#pipes?.close()
    this.#outputs[1].end()
    this.#outputs[2].end()
    this.#input?.destroy()
    this.#result.reject(error)
  }

  #openInput(): Writable {
    const send = (chunk: Uint8Array | null) => this.#link?.post({ type: 'stdin', tree: this.id, chunk })
    const input = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.pid.then(() => {
          if (this.#pipes !== null) return void this.#pipes.stdin?.write(chunk, () => done())
          this.#inputTaken = done
          // A copy: the port would otherwise clone the whole pool that a small buffer is a slice of.
          send(new Uint8Array(chunk))
        }, done)
      },
      final: (done) => {
        this.pid
          .then(() => (this.#pipes === null ? send(null) : void this.#pipes.stdin?.end()))
          .then(() => done(), done)
      },
    })
    // A tool that exits without reading its input is no error of its caller's.
    input.on('error', () => {})
    return input
  }
}
