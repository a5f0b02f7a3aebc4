import type { Stillness } from '../messages.js'
import { type AttemptContext, Attempts } from './attempt.js'
import type { AttemptOptions } from './attempt-options.js'
import { RunInbox } from './inbox.js'
import type { KeeperLink } from './link.js'
import type { Run } from './run-faces.js'
import type { RunLife } from './run-life.js'
import { RunProgress } from './run-progress.js'
import type { ParsedSpec, RunSpec } from './spec.js'

export type RunChild = <T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>) => Promise<T>

/**
 * What a run is at, and needs only while it lives: it is let go at the run's end, since callbacks that never settle hold
 * their runs for ever, and this is most of them.
 */
export class RunWork {
  readonly spec: ParsedSpec
  readonly runChild: RunChild
  readonly progress: RunProgress
  readonly #link: KeeperLink
  readonly #life: RunLife
  #deadline = Number.POSITIVE_INFINITY
  #attempts: Attempts | null = null
  #inbox: RunInbox | null = null

  constructor(link: KeeperLink, life: RunLife, spec: ParsedSpec, runChild: RunChild) {
    this.#link = link
    this.#life = life
    this.spec = spec
    this.runChild = runChild
    this.progress = new RunProgress((waits) => link.call('waits', { run: life.run, waits }))
  }

  /** Its `timeout` counts from now. */
  begin(): void {
    this.#deadline = performance.now() + this.spec.request.bounds.timeout
  }

  get stillness(): Stillness {
    return this.progress.stillness(this.#attempts?.isPausing ?? false)
  }

  get inbox(): RunInbox {
    this.#inbox ??= new RunInbox({
      signal: this.#life.signal,
      messages: async (done, have, take) => {
        this.#life.refuseAfterEnd()
        return this.#link.call('messages', { run: this.#life.run, done, have, take })
      },
    })
    return this.#inbox
  }

  /** There may be a message. */
  heard(): void {
    this.#inbox?.heard()
  }

  /** The messages that are through because the callback returns now. */
  get through(): readonly string[] {
    return this.#inbox?.through ?? []
  }

  async waitFor<T>(what: string, promise: PromiseLike<T>, bound: number): Promise<T> {
    try {
      return await this.progress.waits.for(what, promise, bound, this.#life.signal)
    } finally {
      this.progress.touch()
    }
  }

  attempt<T>(
    run: Run,
    fn: (context: AttemptContext) => T | PromiseLike<T>,
    options: AttemptOptions,
  ): Promise<T> {
    this.#attempts ??= new Attempts(
      {
        signal: this.#life.signal,
        append: (entry) => run.append(entry),
        progress: () => run.progress(),
        refuseAfterEnd: () => this.#life.refuseAfterEnd(),
        timeLeft: () => this.#deadline - performance.now(),
      },
      this.spec.retries,
    )
    return this.#attempts.make(fn, options)
  }
}
