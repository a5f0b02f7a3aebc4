/** Milliseconds between two signs of life. */
const every = 1000
/** A host that answers later than this was blocked: less is any program's ordinary work. */
const noticeable = 200
/** Of more blocked times than these the oldest are forgotten; they count for stalls of longer ago than anybody asks. */
const mostRemembered = 1000

export interface HostLoopEvents {
  /** Asks the host for a sign of life, which comes as `answered`. */
  ask(): void
  /** The host has not answered for as long as it may; once for each time that it is blocked. */
  onStuck(milliseconds: number): void
  /** It was stuck, and answers again. */
  onBack(milliseconds: number): void
}

/**
 * Whether the host's event loop turns, seen from the keeper's thread: the host is asked for a sign of life each second, one
 * question at a time.
 */
export class HostLoop {
  readonly #events: HostLoopEvents
  readonly #timeout: number
  readonly #now: () => number
  readonly #blocked: Array<{ readonly from: number; readonly until: number }> = []
  #turnedAt: number
  #askedAt: number | null = null
  #isStuck = false
  #timer: NodeJS.Timeout | null = null

  /** `timeout`: after how many milliseconds without an answer it is stuck. */
  constructor(events: HostLoopEvents, timeout: number, now: () => number = () => performance.now()) {
    this.#events = events
    this.#timeout = timeout
    this.#now = now
    this.#turnedAt = now()
  }

  start(): void {
    this.#timer = setInterval(() => this.turn(), every)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  turn(): void {
    this.#noteSleep()
    if (this.#askedAt === null) {
      this.#askedAt = this.#now()
      this.#events.ask()
      return
    }
    const silence = this.blockedFor
    if (silence < this.#timeout || this.#isStuck) return
    this.#isStuck = true
    this.#events.onStuck(silence)
  }

  /** This thread itself did not run, as in a process that is stopped: nobody could have noticed anything. */
  #noteSleep(): void {
    const now = this.#now()
    const since = this.#turnedAt
    this.#turnedAt = now
    if (now - since < every + noticeable) return
    this.#remember(since, now)
    if (this.#askedAt !== null) this.#askedAt = now
  }

  answered(): void {
    if (this.#askedAt === null) return
    const from = this.#askedAt
    const until = this.#now()
    this.#askedAt = null
    if (until - from >= noticeable) this.#remember(from, until)
    if (this.#isStuck) this.#events.onBack(until - from)
    this.#isStuck = false
  }

  #remember(from: number, until: number): void {
    this.#blocked.push({ from, until })
    if (this.#blocked.length > mostRemembered) this.#blocked.shift()
  }

  /** For how many milliseconds it has not answered; 0 where that is no time to speak of. */
  get blockedFor(): number {
    const silence = this.#askedAt === null ? 0 : this.#now() - this.#askedAt
    return silence >= noticeable ? silence : 0
  }

  /** How many of the last so many milliseconds it was blocked. */
  blockedWithin(milliseconds: number): number {
    const now = this.#now()
    const since = now - milliseconds
    const open = this.blockedFor
    const all = open > 0 ? [...this.#blocked, { from: now - open, until: now }] : this.#blocked
    return all.reduce((total, { from, until }) => total + Math.max(0, until - Math.max(from, since)), 0)
  }
}
