/**
 * What never changes of the runs that were admitted here and have not ended, so that the end of an ordinary run is
 * one statement without a look before it. That statement repeats every condition: a memory that is wrong, because
 * its batch was rolled back, or missing costs the look and nothing else.
 */
export interface RememberedRun {
  readonly seq: number
  readonly supervisor: string
  /** Rows of the supervisor and of the session. */
  readonly owner: number
  readonly number: number | null
  readonly session: string | null
  readonly parent: string | null
  readonly request: string | null
  readonly created_at: number
  readonly started_at: number
}

/** More than a supervisor runs at once; the oldest are forgotten first. */
const most = 10_000

export class RememberedRuns {
  readonly #runs = new Map<string, RememberedRun>()

  add(run: string, facts: RememberedRun): void {
    if (this.#runs.size >= most) {
      const [oldest] = this.#runs.keys()
      if (oldest !== undefined) this.#runs.delete(oldest)
    }
    this.#runs.set(run, facts)
  }

  take(run: string): RememberedRun | undefined {
    const facts = this.#runs.get(run)
    if (facts !== undefined) this.#runs.delete(run)
    return facts
  }
}
