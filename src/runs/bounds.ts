/**
 * How long the parts of a run's life may take, in milliseconds; `Infinity` is explicit and never a default.
 * From the cause to the terminal state a run takes at most grace + killBound + drainBound (P4).
 */
export interface Bounds {
  /** From admission until the run is ended as `timed_out`. */
  readonly timeout: number
  /** Without any progress until it is ended as `stalled`. */
  readonly stallTimeout: number
  /** Between SIGTERM and SIGKILL. */
  readonly grace: number
  /** From SIGKILL until what still lives is recorded as a survivor. */
  readonly killBound: number
  /** From the empty tree until a pipe that is still held open is given up. */
  readonly drainBound: number
}

/** The most that a run takes from its cause to its terminal state, in milliseconds (P4). */
export function timeToEnd({ grace, killBound, drainBound }: Bounds): number {
  return grace + killBound + drainBound
}

const second = 1000
const minute = 60 * second

export const defaultBounds: Bounds = {
  timeout: 60 * minute,
  stallTimeout: 10 * minute,
  grace: 5 * second,
  killBound: 10 * second,
  drainBound: 2 * second,
}

/**
 * A killed tree takes some milliseconds to be seen empty. With less than this, every shutdown in a hurry would record
 * survivors that are dead a moment later.
 */
const shortestKillBound = 500

/** The same proportions in no more time than there is: for a shutdown that has less than the bounds add up to. */
export function shareTime(bounds: Bounds, within: number): Bounds {
  const { grace, killBound, drainBound } = bounds
  if (timeToEnd(bounds) <= within) return bounds
  // A part may be without a bound; it can claim no more than all there is.
  const capped = (part: number) => Math.min(part, within)
  const wanted = capped(grace) + capped(killBound) + capped(drainBound)
  const share = (part: number) => (wanted === 0 ? 0 : Math.floor((capped(part) * within) / wanted))
  return {
    timeout: bounds.timeout,
    stallTimeout: bounds.stallTimeout,
    grace: share(grace),
    killBound: Math.max(share(killBound), Math.min(killBound, shortestKillBound)),
    drainBound: share(drainBound),
  }
}
