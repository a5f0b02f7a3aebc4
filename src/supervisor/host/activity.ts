import type { Stillness } from '../messages.js'

/** When something last made progress, by the host's monotonic clock. */
export class Activity {
  #at = performance.now()

  touch(): void {
    this.#at = performance.now()
  }

  /** Milliseconds since. */
  get still(): number {
    return performance.now() - this.#at
  }
}

/** A part of a run that may make progress of its own: a command, a subagent. */
export interface Part {
  readonly stillness: Stillness
}

/** How long nothing of a run has made progress: the least of it and its parts. One that waits by right is not still. */
export function stillnessOf(own: Stillness, parts: Iterable<Part>): Stillness {
  let least = own
  let latest: Stillness | null = null
  for (const { stillness } of parts) {
    latest = stillness
    if (stillness.isWaiting || stillness.milliseconds < least.milliseconds) least = stillness
    if (least.isWaiting) break
  }
  // What was started last is what it is at.
  return { ...least, doing: (latest ?? own).doing }
}
