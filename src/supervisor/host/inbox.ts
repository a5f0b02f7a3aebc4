import type { Message } from '../../store/request-contract.js'
import { type Deferred, deferred } from '../../timers.js'

/** A request that was handed to a run while it ran. */
export interface InboxMessage {
  /** Of the request. */
  readonly id: string
  readonly payload: unknown
  /** How often it was begun, this time counted. */
  readonly tries: number
  /** It is through: whatever becomes of the run, nobody gets it again. Resolves when that is stored. */
  done(): Promise<void>
}

/**
 * The requests that were handed to a run with `ifBusy: 'deliver'`, in the order in which they came. Iterated, it waits for the
 * next one, until the run begins to end; a message is through when the loop comes back for the next, or when its `done` is
 * called. One that was not taken, or is not through when the run ends, is the next run's, or pending.
 */
export interface Inbox extends AsyncIterable<InboxMessage> {
  /**
   * Takes all that are there. They are through when the callback returns, or one by one by their `done`. Rejects with the
   * run's error once it begins to end.
   */
  drain(): Promise<InboxMessage[]>
}

export interface InboxLink {
  readonly signal: AbortSignal
  /** Asks the store: `done` are through, then the next `take` messages after the first `have`. */
  messages(done: readonly string[], have: number, take: number): Promise<Message[]>
}

/** A page of `drain`. */
const page = 100

export class RunInbox implements Inbox {
  readonly #link: InboxLink
  /** Taken by `drain`, and not told as done. */
  readonly #drained = new Set<string>()
  #have = 0
  /** The latest question: the next one follows its answer, since it says how many there were. */
  #latest: Promise<unknown> = Promise.resolve()
  #hasNews = false
  #news: Deferred<void> = deferred()

  constructor(link: InboxLink) {
    this.#link = link
    const { signal } = link
    if (signal.aborted) this.#news.resolve()
    else signal.addEventListener('abort', () => this.#news.resolve(), { once: true })
  }

  /** There may be a message. */
  heard(): void {
    this.#hasNews = true
    this.#news.resolve()
  }

  /** What is through because the callback returns now. */
  get through(): readonly string[] {
    return [...this.#drained]
  }

  async drain(): Promise<InboxMessage[]> {
    const all: InboxMessage[] = []
    for (;;) {
      if (this.#link.signal.aborted) throw this.#link.signal.reason
      const taken = await this.#ask([], page)
      for (const message of taken) this.#drained.add(message.id)
      all.push(...taken)
      if (taken.length < page) return all
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<InboxMessage> {
    let before: readonly string[] = []
    while (!this.#link.signal.aborted) {
      this.#hasNews = false
      const [message] = await this.#ask(before, 1)
      before = []
      if (message === undefined) {
        await this.#nextNews()
        continue
      }
      // Where the loop is left here, by a break or an error, the message is not through.
      yield message
      before = [message.id]
    }
    if (before.length > 0) await this.#ask(before, 0).catch(() => {})
  }

  async #nextNews(): Promise<void> {
    if (this.#hasNews || this.#link.signal.aborted) return
    this.#news = deferred()
    if (this.#link.signal.aborted) return
    await this.#news.promise
  }

  #ask(done: readonly string[], take: number): Promise<InboxMessage[]> {
    const asked = this.#latest.then(async () => {
      const taken = await this.#link.messages(done, this.#have, take)
      this.#have += taken.length
      return taken.map(({ id, payload, tries }) => ({
        id,
        payload: JSON.parse(payload),
        tries,
        done: () => this.#done(id),
      }))
    })
    this.#latest = asked.catch(() => {})
    return asked
  }

  async #done(id: string): Promise<void> {
    await this.#ask([id], 0)
    this.#drained.delete(id)
  }
}
