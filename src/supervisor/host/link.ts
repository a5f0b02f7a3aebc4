import { SHARE_ENV, Worker } from 'node:worker_threads'
import { ownThread } from '../../containment/own-thread.js'
import { CoppiceError, fromErrorMessage } from '../../errors.js'
import type { ToldEnding } from '../../store/ending-contract.js'
import { type Deferred, deferred, settlesWithin } from '../../timers.js'
import type { CallName, Calls } from '../calls.js'
import type { HostThread, KeeperSettings } from '../keeper-settings.js'
import type { EventMessage, LogLine, ToHost, ToKeeper } from '../messages.js'
import { supervisorGone } from './gone.js'
import { LoopMeter } from './loop-meter.js'

type RunMessage = Extract<ToHost, { run: string }>
type TreeMessage = Extract<ToHost, { tree: string }>

type NewsMessage = LogLine | EventMessage

/**
 * Of the keeper's thread. Left to itself the part of its heap that is new grows to a hundred megabytes within minutes, and each
 * collection of that is a pause of milliseconds; nearly everything that a keeper makes is dead when its message is answered.
 */
const youngMegabytes = 16
/** Lines of the log that are written between two words about that. */
const linesAtOnce = 100
/** Milliseconds. A thread that hangs in a call of the system's ends when that does. */
const terminateBound = 500

export interface TreeListener {
  receive(message: TreeMessage): void
  /** The keeper died. */
  lost(error: CoppiceError): void
}

/**
 * The host's end of the keeper: questions and answers, and what the keeper says of a run or a tree. It keeps
 * the process alive only while something is under way.
 */
export class KeeperLink {
  readonly supervisor: string
  readonly #worker: Worker
  readonly #calls = new Map<number, Deferred<unknown>>()
  readonly #runs = new Map<string, (message: RunMessage) => void>()
  readonly #trees = new Map<string, TreeListener>()
  readonly #onNews: (message: NewsMessage) => void
  readonly #meter = new LoopMeter()
  #lastCall = 0
  #logged = 0
  #underWay = 0
  #died: CoppiceError | null = null
  #closed = false
  /** Called once where the keeper dies unasked, with the trees that it left; everything under way is failed before. */
  onDeath: (error: CoppiceError, trees: readonly string[]) => void = () => {}

  /** What the host makes of an ending: null where it was taken, else why not. */
  onEnding: (ending: ToldEnding) => Promise<string | null> = async () => 'nobody takes endings here'

  static async open(
    settings: KeeperSettings,
    onNews: (message: NewsMessage) => void = () => {},
  ): Promise<KeeperLink> {
    const worker = new Worker(new URL('../keeper/main.js', import.meta.url), {
      workerData: { ...settings, hostThread: ownThread() } satisfies KeeperSettings & HostThread,
      // Launched tools get the host's environment as it is at that moment, as with child_process.
      env: SHARE_ENV,
      // Node 22 calls node:sqlite experimental; on later versions there is no warning to disable.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes },
      // Descriptors that the keeper hands to sockets are theirs; Node's own bookkeeping would warn of them.
      trackUnmanagedFds: false,
      stdout: false,
      stderr: false,
    })
    const link = new KeeperLink(worker, await opened(worker, onNews), onNews)
    // From the first moment on, and not for whoever only looks.
    if (settings.store?.observe !== true) link.#meter.take()
    return link
  }

  private constructor(worker: Worker, supervisor: string, onNews: (message: NewsMessage) => void) {
    this.#onNews = onNews
    this.#worker = worker
    this.supervisor = supervisor
    worker.on('message', (message: ToHost) => this.#receive(message))
    worker.on('error', (error) => this.#die(error))
    worker.on('exit', (code) => this.#die(new Error(`the keeper’s thread exited with code ${code}`)))
    worker.unref()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  call<Name extends CallName>(name: Name, ask: Calls[Name]['ask']): Promise<Calls[Name]['answer']> {
    if (this.#died !== null) return Promise.reject(this.#died)
    const id = ++this.#lastCall
    const answer = deferred<unknown>()
    this.#calls.set(id, answer)
    this.keepAlive(answer.promise)
    try {
      this.post({ type: 'call', id, call: { name, ask } as Extract<ToKeeper, { type: 'call' }>['call'] })
    } catch (error) {
      // A value that cannot cross to another thread: the caller's, and no answer will come.
      this.#calls.delete(id)
      answer.reject(error)
    }
    return answer.promise as Promise<Calls[Name]['answer']>
  }

  post(message: ToKeeper): void {
    this.#worker.postMessage(message)
  }

  /** What the keeper says of this run goes to `receive`, until its `ended`. */
  listenToRun(run: string, receive: (message: RunMessage) => void): void {
    this.#runs.set(run, receive)
  }

  /** What the keeper says of this tree goes to `listener`, until its `treeEnded` or the keeper's death. */
  listenToTree(tree: string, listener: TreeListener): void {
    this.#trees.set(tree, listener)
  }

  forgetTree(tree: string): void {
    this.#trees.delete(tree)
  }

  forgetRun(run: string): void {
    this.#runs.delete(run)
  }

  /** The process stays alive until this settles. */
  keepAlive(until: Promise<unknown>): void {
    if (this.#underWay++ === 0) this.#worker.ref()
    const done = () => {
      if (--this.#underWay === 0) this.#worker.unref()
    }
    until.then(done, done)
  }

  /** Closes the keeper, or gives it up where `giveUp` resolves before it has done that. */
  async close(request: Calls['close']['ask'], giveUp?: Promise<void>): Promise<void> {
    if (this.#died !== null) return
    try {
      const closed = this.call('close', request)
      await (giveUp === undefined ? closed : Promise.race([closed, giveUp]))
    } finally {
      this.#closed = true
      await settlesWithin(terminateBound, this.#worker.terminate())
      // Also where its thread takes longer: what it could not end is there for the next.
      supervisorGone(this.supervisor)
    }
  }

  /** Ends the thread without a word to it: for a test of what a dead keeper leaves. */
  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #receive(message: ToHost): void {
    if (message.type === 'askAlive')
      this.post({ type: 'alive', loop: this.#meter.take(), idles: this.#meter.idles })
    else if (message.type === 'ending') this.#tell(message.ending)
    else if ('run' in message) {
      this.#runs.get(message.run)?.(message)
      if (message.type === 'ended') this.#runs.delete(message.run)
    } else if ('tree' in message) {
      this.#trees.get(message.tree)?.receive(message)
      if (message.type === 'treeEnded') this.#trees.delete(message.tree)
    } else if (message.type === 'answer' || message.type === 'failure') {
      const call = this.#calls.get(message.id)
      this.#calls.delete(message.id)
      if (message.type === 'answer') call?.resolve(message.value)
      else call?.reject(fromErrorMessage(message.error))
    } else if (message.type === 'log') {
      this.#onNews(message)
      this.#logged += 1
      if (this.#logged % linesAtOnce === 0) this.post({ type: 'logged', count: linesAtOnce })
    } else if (message.type === 'event') this.#onNews(message)
  }

  #tell(ending: ToldEnding): void {
    const handled = this.onEnding(ending)
    this.keepAlive(handled)
    handled.then((error) => this.post({ type: 'told', ending: ending.seq, error }))
  }

  #die(cause: unknown): void {
    if (this.#died !== null) return
    this.#meter.stop()
    supervisorGone(this.supervisor)
    const why = cause instanceof Error ? cause.message : String(cause)
    this.#died = this.#closed
      ? new CoppiceError('supervisor_closed', 'the supervisor is closed')
      : new CoppiceError('run_lost', `the keeper died: ${why}`, { cause })
    for (const call of this.#calls.values()) call.reject(this.#died)
    this.#calls.clear()
    const trees = [...this.#trees]
    this.#trees.clear()
    for (const [, listener] of trees) listener.lost(this.#died)
    if (!this.#closed)
      this.onDeath(
        this.#died,
        trees.map(([tree]) => tree),
      )
  }
}

function opened(worker: Worker, onNews: (message: NewsMessage) => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const onMessage = (message: ToHost) => {
    if (message.type === 'open') resolve(message.supervisor)
    else if (message.type === 'openFailed') reject(fromErrorMessage(message.error))
    // What it says of its opening; so few lines are not counted.
    else if (message.type === 'log' || message.type === 'event') onNews(message)
  }
  const onExit = (code: number) =>
    reject(new Error(`the keeper’s thread exited with code ${code} as it opened`))
  worker.on('message', onMessage)
  worker.once('error', reject)
  worker.once('exit', onExit)
  return promise
    .finally(() => {
      worker.off('message', onMessage)
      worker.off('error', reject)
      worker.off('exit', onExit)
    })
    .catch(async (error) => {
      await worker.terminate()
      throw error
    })
}
