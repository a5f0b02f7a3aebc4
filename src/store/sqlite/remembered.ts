import type { BreakerRules } from '../../runs/breaker.js'

/**
 * What never changes of the runs that were admitted here and have not ended, so that the end of an ordinary run is
 * one statement without a look before it. That statement repeats every condition: a memory that is wrong, because
 * its batch was rolled back, or missing, because another run took its place, costs the look and nothing else.
 *
 * A table of fixed places, and not a Map: V8's Map leaves a chain of its outgrown tables behind, and one of them in
 * the old generation keeps all later ones alive through every scavenge. Those then took 3 ms instead of 1, with
 * helper threads that hold up the host's loop where processors are few.
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
  /** What the session remembers of failures, and the rules that the run brought: its end may have to look at both. */
  readonly breaker: string | null
  readonly rules: BreakerRules | null
  /** Whether its ending is told. */
  readonly tells: boolean
  /** Whether it launched any, however they ended. */
  hasTrees: boolean
  /** Whether any call of a model was made, answered or not. */
  hasCalls: boolean
}

/** Several times as many as runs that a supervisor has at once, so that two seldom meet. A power of two. */
const places = 4_096

export class RememberedRuns {
  readonly #places = new Array<Remembered | undefined>(places).fill(undefined)

  add(run: string, facts: RememberedRun): void {
    this.#places[placeOf(run)] = { run, facts }
  }

  launched(run: string): void {
    const known = this.#places[placeOf(run)]
    if (known?.run === run) known.facts.hasTrees = true
  }

  calls(run: string): void {
    const known = this.#places[placeOf(run)]
    if (known?.run === run) known.facts.hasCalls = true
  }

  take(run: string): RememberedRun | undefined {
    const place = placeOf(run)
    const known = this.#places[place]
    if (known?.run !== run) return undefined
    this.#places[place] = undefined
    return known.facts
  }
}

interface Remembered {
  readonly run: string
  readonly facts: RememberedRun
}

/** By the end of the id, which is its random part. */
function placeOf(run: string): number {
  let hash = 0
  for (let at = Math.max(0, run.length - 8); at < run.length; at++)
    hash = (hash * 31 + run.charCodeAt(at)) | 0
  return hash & (places - 1)
}
