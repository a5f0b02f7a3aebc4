import type { ToldEnding } from '../../store/ending-contract.js'
import { after } from '../../timers.js'

/** How many endings the handler has at once. */
const places = 16
/** A handler that takes longer than this leaves its place to the others, as long as no more than so many have done so. */
const longInPlace = 250
const mostAside = 2_000
/** Milliseconds until a handler that failed has the ending again: twice as long each time. */
const pauses = { first: 500, longest: 60_000 }

interface Lane {
  readonly key: string
  readonly endings: ToldEnding[]
  state: 'ready' | 'in place' | 'aside' | 'pausing'
  failures: number
  disarm: () => void
}

/**
 * Endings in the order in which they are told: one of each session at a time, and of different sessions so many at once.
 * A handler that hangs holds up its own session and, beside that, nobody for long.
 */
export class EndingLanes {
  readonly #events: LaneEvents
  readonly #lanes = new Map<string, Lane>()
  /** By the ending that each has at the handler. */
  readonly #underWay = new Map<number, Lane>()
  /** All that are not told, by their numbers. */
  readonly #known = new Set<number>()
  readonly #ready: Lane[] = []
  #inPlace = 0
  #aside = 0
  #isClosed = false

  constructor(events: LaneEvents) {
    this.#events = events
  }

  get counts(): { untold: number; underWay: number; aside: number } {
    return { untold: this.#known.size, underWay: this.#underWay.size, aside: this.#aside }
  }

  get known(): readonly number[] {
    return [...this.#known]
  }

  /** Whether nothing goes on that will be over soon. */
  get isQuiet(): boolean {
    return this.#inPlace === 0 && this.#ready.length === 0
  }

  /** False where it is there already. */
  add(ending: ToldEnding): boolean {
    if (this.#known.has(ending.seq)) return false
    this.#known.add(ending.seq)
    const { session, run } = ending.outcome
    // Those without a session have no order among each other.
    const key = session === null ? `run ${run}` : `session ${session}`
    const lane = this.#lanes.get(key)
    if (lane !== undefined) {
      lane.endings.push(ending)
      return true
    }
    const made: Lane = { key, endings: [ending], state: 'ready', failures: 0, disarm: () => {} }
    this.#lanes.set(key, made)
    this.#ready.push(made)
    this.#next()
    return true
  }

  told(seq: number, error: string | null): void {
    const lane = this.#leave(seq)
    if (lane === undefined) return
    const [ending] = lane.endings
    if (ending !== undefined && error === null) this.#finish(lane, ending)
    else if (ending !== undefined && error !== null) this.#pause(lane, ending, error)
    this.#next()
  }

  /** Somebody else tells it, and so all of its session: which those are. */
  drop({ seq }: ToldEnding): readonly ToldEnding[] {
    const lane = this.#leave(seq)
    if (lane === undefined) return []
    for (const ending of lane.endings) this.#known.delete(ending.seq)
    this.#lanes.delete(lane.key)
    this.#next()
    return lane.endings
  }

  /** Tells no more. */
  close(): void {
    this.#isClosed = true
    for (const { disarm } of this.#lanes.values()) disarm()
  }

  #finish(lane: Lane, ending: ToldEnding): void {
    lane.endings.shift()
    lane.failures = 0
    this.#known.delete(ending.seq)
    if (lane.endings.length === 0) this.#lanes.delete(lane.key)
    else this.#line(lane)
    this.#events.done(ending)
  }

  #pause(lane: Lane, ending: ToldEnding, error: string): void {
    const pause = Math.min(pauses.first * 2 ** lane.failures, pauses.longest)
    lane.failures += 1
    lane.state = 'pausing'
    if (this.#isClosed) return
    lane.disarm = after(pause * (0.75 + Math.random() / 2), () => {
      this.#line(lane)
      this.#next()
    })
    this.#events.failed(ending, error, pause)
  }

  #line(lane: Lane): void {
    lane.state = 'ready'
    this.#ready.push(lane)
  }

  #next(): void {
    while (this.#inPlace < places && !this.#isClosed) {
      const lane = this.#ready.shift()
      const ending = lane?.endings[0]
      if (lane === undefined || ending === undefined) return
      this.#begin(lane, ending)
    }
  }

  #begin(lane: Lane, ending: ToldEnding): void {
    lane.state = 'in place'
    this.#inPlace += 1
    this.#underWay.set(ending.seq, lane)
    const leavePlace = () => {
      if (this.#aside >= mostAside) lane.disarm = after(longInPlace, leavePlace)
      else {
        lane.state = 'aside'
        this.#inPlace -= 1
        this.#aside += 1
        this.#next()
      }
    }
    lane.disarm = after(longInPlace, leavePlace)
    this.#events.tell(ending)
  }

  #leave(seq: number): Lane | undefined {
    const lane = this.#underWay.get(seq)
    if (lane === undefined) return undefined
    this.#underWay.delete(seq)
    lane.disarm()
    if (lane.state === 'aside') this.#aside -= 1
    else this.#inPlace -= 1
    return lane
  }
}

export interface LaneEvents {
  tell(ending: ToldEnding): void
  done(ending: ToldEnding): void
  /** `again` is when it is told again, in milliseconds. */
  failed(ending: ToldEnding, error: string, again: number): void
}
