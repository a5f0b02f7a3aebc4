import type { ToldEnding } from '../../store/ending-contract.js'
import { after, delay } from '../../timers.js'
import type { Keeper } from './keeper.js'

const pauses = { first: 50, longest: 5_000 }
/** A hold ends in the store when this much more has passed than it was given. */
const margin = 5

/** Writes down which endings were told: all that were in the meantime in one write, and again where the store failed. */
export class Acknowledging {
  readonly #keeper: Keeper
  readonly #isPatient: boolean
  readonly #onMore: () => void
  #told: number[] = []
  /** All that are told and not written down so far. */
  readonly #unwritten = new Set<number>()
  #writing: Promise<void> | null = null
  #isClosed = false
  /** Sessions that are held for an ending, and what ends that in time. */
  readonly #holds = new Map<string, () => void>()

  /** `isPatient`: no admission waits for it. `onMore`: there are endings of these sessions that are nobody's. */
  constructor(keeper: Keeper, isPatient: boolean, onMore: () => void) {
    this.#keeper = keeper
    this.#isPatient = isPatient
    this.#onMore = onMore
  }

  add({ seq, outcome: { session } }: ToldEnding): void {
    this.#told.push(seq)
    this.#unwritten.add(seq)
    if (session !== null) this.#holds.get(session)?.()
    this.#writing ??= this.#write()
  }

  get unwritten(): ReadonlySet<number> {
    return this.#unwritten
  }

  /** The session's next admission waits for an ending, until then at most. */
  holdFor(session: string, until: number): void {
    this.#holds.get(session)?.()
    const disarm = after(Math.max(0, until - Date.now()) + margin, () => {
      this.#holds.delete(session)
      void this.#endHold(session)
    })
    this.#holds.set(session, () => {
      disarm()
      this.#holds.delete(session)
    })
  }

  /** Resolves when what was told is written down, or cannot be now: then it is told again, by whoever comes next. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const disarm of this.#holds.values()) disarm()
    await this.#writing
  }

  async #write(): Promise<void> {
    let pause = pauses.first
    // A turn of the event loop: endings are told in crowds.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#told.length > 0) {
      const told = this.#told
      this.#told = []
      try {
        const isPatient = this.#isPatient && !this.#isClosed
        const { admitted, more } = await this.#keeper.store.acknowledge(told, Date.now(), isPatient)
        for (const ending of told) this.#unwritten.delete(ending)
        for (const next of admitted) this.#keeper.onAdmitted(next)
        if (more) this.#onMore()
        pause = pauses.first
      } catch (error) {
        this.#keeper.log.debug({ err: error }, 'could not write down which endings were told; trying again')
        if (this.#isClosed) break
        this.#told = [...told, ...this.#told]
        await delay(pause)
        pause = Math.min(pause * 2, pauses.longest)
      }
    }
    this.#writing = null
  }

  async #endHold(session: string): Promise<void> {
    try {
      const next = await this.#keeper.store.admitWaiting(session, Date.now())
      if (next !== null) this.#keeper.onAdmitted(next)
    } catch (error) {
      // Whoever waits looks now and then.
      this.#keeper.log.debug({ session, err: error }, 'could not end the hold of a session')
    }
  }
}
