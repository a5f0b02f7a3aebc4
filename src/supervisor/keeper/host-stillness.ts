import { after } from '../../timers.js'
import type { SendToHost, Stillness } from '../messages.js'
import type { HostLoop } from './host-loop.js'

/** What the host says a run is at, for whoever asks: it alone sees what passes through its own thread. */
export class HostStillness {
  readonly #send: SendToHost
  readonly #hostLoop: HostLoop
  readonly #asked = new Map<string, Set<(still: Stillness | null) => void>>()

  constructor(send: SendToHost, hostLoop: HostLoop) {
    this.#send = send
    this.#hostLoop = hostLoop
  }

  /** Null where the host does not say within `bound` milliseconds; at once where its event loop is known to be blocked. */
  async ask(run: string, bound: number): Promise<Stillness | null> {
    if (this.#hostLoop.blockedFor > 0) return null
    const { promise, resolve } = Promise.withResolvers<Stillness | null>()
    const askers = this.#asked.get(run) ?? new Set()
    this.#asked.set(run, askers.add(resolve))
    const disarm = after(bound, () => resolve(null))
    this.#hostLoop.askNow()
    this.#send({ type: 'askStill', run })
    const still = await promise
    disarm()
    askers.delete(resolve)
    if (askers.size === 0 && this.#asked.get(run) === askers) this.#asked.delete(run)
    return still
  }

  heard(run: string, still: Stillness): void {
    for (const tell of this.#asked.get(run) ?? []) tell(still)
  }
}
