import type { EndingRecord, Finished, Telling, ToldEnding } from '../../store/ending-contract.js'
import { after, type Deferred, deferred, settlesWithin } from '../../timers.js'
import type { TellingSettings } from '../keeper-settings.js'
import { Acknowledging } from './acknowledging.js'
import { EndingLanes } from './ending-lanes.js'
import type { Keeper } from './keeper.js'

/** How many endings are kept in memory, and their characters; what is more stays in the store until there is room again. */
const most = { endings: 2_000, characters: 64 * 1024 * 1024, atOnce: 500 }
/** How long a close waits for what was told to be written down. */
const ackBound = 1000
/** After a look that failed. */
const lookAgain = 1000

/**
 * Tells endings to the host's handler: those that this supervisor has stored itself, and those that it has claimed. The
 * store says which they are and in which order; see `EndingVerbs`.
 */
export class Teller {
  readonly #keeper: Keeper
  readonly #hold: number | null
  readonly #lanes: EndingLanes
  readonly #acknowledging: Acknowledging
  #characters = 0
  #isStarted = false
  #isClosed = false
  #looking: Promise<void> | null = null
  #again = false
  /** Whether a claim may have been stored and not answered: what it claimed is nobody's then, of one that lives. */
  #isUnsure = false
  /** Whether there may be more in the store than there was room for. */
  #isBehind = false
  #drained: Deferred<void> | null = null

  constructor(keeper: Keeper, { hold }: TellingSettings) {
    this.#keeper = keeper
    this.#hold = hold
    this.#acknowledging = new Acknowledging(keeper, hold === null, () => this.look())
    this.#lanes = new EndingLanes({
      tell: (ending) => void this.#tell(ending),
      done: (ending) => this.#done(ending),
      failed: (ending, error, again) =>
        keeper.log.warn(
          {
            run: ending.outcome.run,
            session: ending.outcome.session,
            err: { message: error },
            againMs: again,
          },
          'the handler of endings failed; trying again',
        ),
    })
  }

  /** Where the host is ready to hear. */
  async start(): Promise<void> {
    await this.#keeper.store.tells(this.#keeper.id)
    this.#isStarted = true
    this.look()
    this.#keeper.lookout.news()
    // A second time when what dead supervisors had left has ended.
    this.#keeper.recovered.then(() => this.look())
  }

  /** How the next ending of a run goes into the outbox. */
  get telling(): Telling {
    return { owns: this.#isStarted && !this.#isClosed && this.#hasRoom, hold: this.#hold }
  }

  get counts(): { untold: number; underWay: number; aside: number } {
    return this.#lanes.counts
  }

  /** A run has ended by our hand. */
  ended({ tell, untold, outcome }: Finished, { at }: EndingRecord): void {
    if (tell !== undefined) this.#add(tell)
    if (untold) this.look()
    const { session } = outcome
    if ((tell !== undefined || untold) && this.#hold !== null && session !== null)
      this.#acknowledging.holdFor(session, at + this.#hold)
  }

  /** What the host's handler has made of an ending; null for no error. */
  told(ending: number, error: string | null): void {
    this.#lanes.told(ending, error)
  }

  /** Claims what is to be told, one look at a time. */
  look(): void {
    if (!this.#isStarted || this.#isClosed) return
    this.#again = true
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
      if (this.#again) this.look()
    })
  }

  /** Begins no more, and resolves when what can be told has been: not those whose handler failed, or hangs. */
  async drain(within: number): Promise<void> {
    const until = performance.now() + within
    // Also what nobody had claimed so far: the last runs of all may have ended as they waited.
    this.look()
    if (this.#looking !== null) await settlesWithin(within, this.#looking)
    this.#isClosed = true
    this.#drained = deferred()
    this.#checkDrained()
    const disarm = after(Math.max(0, until - performance.now()), () => this.#drained?.resolve())
    await this.#drained.promise
    disarm()
    this.#lanes.close()
    await settlesWithin(ackBound, this.#acknowledging.close())
  }

  get #hasRoom(): boolean {
    return this.#lanes.counts.untold < most.endings && this.#characters < most.characters
  }

  async #look(): Promise<void> {
    const { store, id, log } = this.#keeper
    while (this.#again && !this.#isClosed) {
      this.#again = false
      this.#isBehind = !this.#hasRoom
      if (this.#isBehind) break
      try {
        if (this.#isUnsure)
          await store.leaveEndings(id, { except: [...this.#lanes.known, ...this.#acknowledging.unwritten] })
        this.#isUnsure = false
        const claimed = await store.claimEndings(id, most.atOnce, Date.now())
        for (const ending of claimed) this.#add(ending)
        if (claimed.length === most.atOnce) this.#again = true
      } catch (error) {
        this.#isUnsure = true
        log.debug({ err: error }, 'could not claim endings; trying again')
        const disarm = after(lookAgain, () => this.look())
        this.#keeper.left.then(disarm)
      }
    }
  }

  #add(ending: ToldEnding): void {
    if (this.#acknowledging.unwritten.has(ending.seq)) return
    if (this.#lanes.add(ending)) this.#characters += charactersOf(ending)
  }

  /** One that slept for longer than its leases live is nobody to tell what another may have claimed since. */
  async #tell(ending: ToldEnding): Promise<void> {
    const { store, id, renewedAt, ttl } = this.#keeper
    try {
      const slept = performance.now() - renewedAt > ttl
      if (slept && (await store.ownEndings(id, [ending.seq])).length === 0) await this.#leaveLane(ending)
      else this.#keeper.send({ type: 'ending', ending })
    } catch (error) {
      this.#lanes.told(ending.seq, `could not look whose it is: ${error}`)
    }
  }

  /** The later ones of its session are told after it, by whomever. */
  async #leaveLane(ending: ToldEnding): Promise<void> {
    const dropped = this.#lanes.drop(ending)
    for (const one of dropped) this.#forget(one)
    this.#isUnsure = true
    await this.#keeper.store.leaveEndings(this.#keeper.id, { only: dropped.map(({ seq }) => seq) })
    this.look()
  }

  #done(ending: ToldEnding): void {
    this.#forget(ending)
    this.#acknowledging.add(ending)
    if (this.#isBehind && this.#lanes.counts.untold < most.endings / 2) this.look()
    this.#checkDrained()
  }

  #forget(ending: ToldEnding): void {
    this.#characters -= charactersOf(ending)
  }

  #checkDrained(): void {
    if (this.#drained !== null && this.#lanes.isQuiet) this.#drained.resolve()
  }
}

function charactersOf({ request, messages, draft }: ToldEnding): number {
  const payloads = messages.reduce((sum, { payload }) => sum + payload.length, 0)
  return (request?.payload.length ?? 0) + payloads + (draft?.length ?? 0)
}
