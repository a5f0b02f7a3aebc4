import { untilTick } from '../../timers.js'
import { idleTick } from '../loop-delay.js'

/** Milliseconds between two signs of life of a host that works. */
const every = 1000
/** A host that answers later than this was blocked: less is any program's ordinary work. */
const noticeable = 200
/** A stall of at least so long may be called one some seconds too early, where the host was blocked meanwhile. */
export const longStall = 60_000
/** Of more blocked times than these the oldest are forgotten; they count for stalls of longer ago than anybody asks. */
const mostRemembered = 1000

export interface HostLoopEvents {
  /** Asks the host for a sign of life, which comes as `answered`. */
  ask(): void
  /** Whether it matters to somebody, within seconds, from when on the host is blocked: that is known from a question on. */
  countsSeconds(): boolean
  /** The host has not answered for as long as it may; once for each time that it is blocked. */
  onStuck(milliseconds: number): void
  /** It was stuck, and answers again. */
  onBack(milliseconds: number): void
}

/**
 * Whether the host's event loop turns, seen from the keeper's thread: the host is asked for a sign of life each second, and
 * every four seconds while it idles, one question at a time.
 */
export class HostLoop {
  readonly #events: HostLoopEvents
  readonly #timeout: number
  readonly #now: () => number
  readonly #blocked: Array<{ readonly from: number; readonly until: number }> = []
  #turnedAt: number
  /** In how many milliseconds after that the next turn is due. */
  #due = every
  #askedAt: number | null = null
  #isStuck = false
  /** As it said last. */
  #idles = false
  #timer: NodeJS.Timeout | undefined

  /** `timeout`: after how many milliseconds without an answer it is stuck. */
  constructor(events: HostLoopEvents, timeout: number, now: () => number = () => performance.now()) {
    this.#events = events
    this.#timeout = timeout
    this.#now = now
    this.#turnedAt = now()
  }

  /** From now on, until its thread ends. */
  start(): void {
    this.#armFor(every)
  }

  #armFor(delay: number): void {
    clearTimeout(this.#timer)
    this.#due = this.#now() - this.#turnedAt + delay
    this.#timer = setTimeout(() => {
      this.turn()
      this.#arm()
    }, delay)
  }

  /**
   * One that idles is not looked at again within a second of a question, only to see that it has answered: a timer that was put
   * off wakes its thread up all the same. But one that has not answered by the next look is, whatever it did before.
   */
  #arm(): void {
    const isOverdue = this.blockedFor > 0
    const mayBeLate =
      this.#idles && !isOverdue && this.#timeout >= 2 * idleTick && !this.#events.countsSeconds()
    this.#armFor(mayBeLate ? untilTick(idleTick) : every)
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
    if (now - since < this.#due + noticeable) return
    this.#remember(since, now)
    if (this.#askedAt !== null) this.#askedAt = now
  }

  /** `idles`: its loop has done next to nothing for a while. */
  answered(idles = false): void {
    if (this.#askedAt === null) return
    const from = this.#askedAt
    const until = this.#now()
    this.#askedAt = null
    if (until - from >= noticeable) this.#remember(from, until)
    if (this.#isStuck) this.#events.onBack(until - from)
    this.#isStuck = false
    const beganToWork = this.#idles && !idles
    this.#idles = idles
    if (beganToWork) this.#lookSoon()
  }

  /** Somebody stalls after so many milliseconds, from now on. */
  counts(stallTimeout: number): void {
    if (stallTimeout < longStall) this.#lookSoon()
  }

  /** Somebody wants to know whether it turns: of an idle host that is known from the last tick on, and of this moment by asking. */
  askNow(): void {
    if (this.#askedAt === null) {
      this.#askedAt = this.#now()
      this.#events.ask()
    }
    this.#lookSoon()
  }

  #lookSoon(): void {
    const left = this.#turnedAt + this.#due - this.#now()
    if (this.#timer !== undefined && left > every) this.#armFor(every)
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
