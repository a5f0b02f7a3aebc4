/** What a supervisor does at once, in its one process; `Infinity` is no bound. */
export interface Budget {
  /** Runs that have their session and a place. */
  readonly runs: number
  /** Trees of all its runs. */
  readonly trees: number
  /** Runs that wait, for their session or for a place. */
  readonly waiting: number
}

export const noBudget: Budget = {
  runs: Number.POSITIVE_INFINITY,
  trees: Number.POSITIVE_INFINITY,
  waiting: Number.POSITIVE_INFINITY,
}
