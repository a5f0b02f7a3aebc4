import type { SupervisorRecord } from '../../store/records.js'

/**
 * Since when other supervisors have been silent, as this process has watched it: by a monotonic clock of its own, since
 * what they write down is the time of theirs, and a wall clock can be set. Whoever has just begun to watch knows nothing.
 */
export class Heartbeats {
  readonly #now: () => number
  readonly #seen = new Map<string, { readonly renewedAt: number; readonly since: number }>()

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Milliseconds since the latest renewal was first seen; `supervisor` is as read from the store just now. */
  silenceOf({ id, renewedAt }: SupervisorRecord): number {
    const now = this.#now()
    const before = this.#seen.get(id)
    if (before?.renewedAt === renewedAt) return now - before.since
    this.#seen.set(id, { renewedAt, since: now })
    return 0
  }

  /** Forgets all that are not among these. */
  keepOnly(supervisors: readonly SupervisorRecord[]): void {
    const ids = new Set(supervisors.map(({ id }) => id))
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id)
  }
}
