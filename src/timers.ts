/** Node's timers hold 31 bits: a longer delay fires after 1 ms. 24 days are as good as never for one leg. */
export const longestDelay = 2 ** 31 - 1

/** Calls `work` after `delay` milliseconds by the event loop's monotonic clock, never for `Infinity`. */
export function after(delay: number, work: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const arm = (left: number) => {
    if (left === Number.POSITIVE_INFINITY) return
    const leg = Math.min(left, longestDelay)
    timer = setTimeout(() => (left > leg ? arm(left - leg) : work()), leg)
  }
  arm(delay)
  return () => clearTimeout(timer)
}

/** Resolves after so many milliseconds, by the same clock. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void after(milliseconds, resolve))
}

/** Whether `event` settled within `bound` milliseconds. An event that has settled already wins over a bound of 0. */
export function settlesWithin(bound: number, event: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const disarm = after(bound, () => resolve(false))
    const settled = () => {
      disarm()
      resolve(true)
    }
    event.then(settled, settled)
  })
}

/**
 * About so many milliseconds: until a whole tick of this process's, half as many at least and once and a half at most. What
 * is due at a tick in whichever thread wakes an idle process up once, and to be woken up is most of what it costs.
 */
export function untilTick(milliseconds: number): number {
  // The clock of all threads. Most other processes have other ticks.
  const now = Number(process.hrtime.bigint() / 1_000_000n) + process.pid * 137
  const left = milliseconds - (now % milliseconds)
  return left < milliseconds / 2 ? left + milliseconds : left
}

/** A promise that others resolve. One that is rejected and that nobody awaits is no unhandled rejection. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

export function deferred<T>(): Deferred<T> {
  const made = Promise.withResolvers<T>()
  made.promise.catch(() => {})
  return made
}
