import { type Bounds, timeToEnd } from '../../runs/bounds.js'

/** When a run is to be over, for whoever asks; what ends it are timers of others. By performance.now(). */
export class RunClock {
  #timeoutAt: number | null = null
  #overdueAt: number | null = null
  #graceUntil: number | null = null
  #boundUntil = 0

  /** Its callback begins, and with it its time. */
  begin(bounds: Bounds): void {
    this.#timeoutAt = performance.now() + bounds.timeout
    this.#overdueAt = this.#timeoutAt + timeToEnd(bounds)
  }

  stop({ grace, killBound, drainBound }: Bounds): void {
    this.#graceUntil = performance.now() + grace
    this.#boundUntil = this.#graceUntil + killBound + drainBound
  }

  graceIsOver(): void {
    this.#graceUntil = performance.now()
  }

  /** Milliseconds until its timeout; null where it has none, has not begun, or stops already. */
  get timeLeft(): number | null {
    if (this.#graceUntil !== null || this.#timeoutAt === null) return null
    return Number.isFinite(this.#timeoutAt) ? Math.max(0, this.#timeoutAt - performance.now()) : null
  }

  /** Milliseconds until what lives of it is killed, and until it is terminal at the latest; null while it does not stop. */
  get ending(): { readonly grace: number; readonly bound: number } | null {
    if (this.#graceUntil === null) return null
    const now = performance.now()
    return { grace: Math.max(0, this.#graceUntil - now), bound: Math.max(0, this.#boundUntil - now) }
  }

  /** Whether it has lasted for longer than its own bounds allow. */
  get isOverdue(): boolean {
    const now = performance.now()
    if (this.#graceUntil !== null) return now > this.#boundUntil
    return this.#overdueAt !== null && now > this.#overdueAt
  }
}
