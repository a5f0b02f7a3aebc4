import type { Budget } from '../budget.js'
import type { SupervisedRun } from './run.js'

/**
 * Places for runs that have their session: a budget of the supervisor's. What is over waits in order, interactive runs
 * before background ones. A subagent never waits, since its parent holds a place and may wait for it; it counts.
 */
export class Places {
  readonly #budget: Budget
  readonly #taken = new Set<SupervisedRun>()
  readonly #queue: Array<{ readonly run: SupervisedRun; readonly start: () => void }> = []

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Whether a run would have its place at once. */
  hasRoomFor({ request }: SupervisedRun): boolean {
    return request.parent !== null || this.#taken.size < this.#budget.runs
  }

  /** Calls `start` when the run has its place, at once where there is one. */
  take(run: SupervisedRun, start: () => void): void {
    if (run.request.parent !== null || this.#taken.size < this.#budget.runs) {
      this.#taken.add(run)
      start()
      return
    }
    const isLater = ({ priority }: SupervisedRun['request']) =>
      priority === 'background' && run.request.priority === 'interactive'
    const at = this.#queue.findIndex(({ run: other }) => isLater(other.request))
    this.#queue.splice(at === -1 ? this.#queue.length : at, 0, { run, start })
  }

  /** Takes a run out of the queue; false where it is not in it. */
  withdraw(run: SupervisedRun): boolean {
    const at = this.#queue.findIndex(({ run: other }) => other === run)
    if (at !== -1) this.#queue.splice(at, 1)
    return at !== -1
  }

  /** The run has ended: its place is the next one's. */
  leave(run: SupervisedRun): void {
    this.#taken.delete(run)
    while (this.#taken.size < this.#budget.runs) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#taken.add(next.run)
      next.start()
    }
  }

  /** How many may wait for a session, those left aside that wait for a place; null for any number. */
  get mostWaiting(): number | null {
    return this.#budget.waiting === Number.POSITIVE_INFINITY
      ? null
      : Math.max(0, this.#budget.waiting - this.#queue.length)
  }

  /**
   * Whether a run that is about to be asked for would wait for a place beside more than may. It has to be known before: once
   * it has its session it is refused no more. Those that are just being asked for count as if they had their sessions; so
   * in a burst a run may be refused for whose sake another waits for its session instead.
   */
  isFullFor(run: SupervisedRun, all: Iterable<SupervisedRun>): boolean {
    const { runs, waiting } = this.#budget
    if (run.request.parent !== null || !Number.isFinite(runs) || !Number.isFinite(waiting)) return false
    let asked = 0
    let queued = 0
    for (const other of all) {
      if (other === run || other.progress.state !== 'waiting') continue
      if (other.isStored) queued += 1
      else asked += 1
    }
    const free = Math.max(0, runs - this.#taken.size)
    if (asked < free) return false
    return queued + this.#queue.length + (asked - free) >= waiting
  }
}
