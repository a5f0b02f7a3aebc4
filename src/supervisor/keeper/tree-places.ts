import { CoppiceError } from '../../errors.js'
import type { Budget } from '../budget.js'
import type { SupervisedRun } from './run.js'

/** A tree's place: taken before its launch, left when nothing of the tree is supervised any more. */
export interface TreePlace {
  readonly run: SupervisedRun | null
  /** Whether its root has exited, and what it left lives until the run ends. */
  lingers: boolean
}

interface WaitingLaunch {
  readonly place: TreePlace
  readonly grant: () => void
  readonly refuse: (error: CoppiceError) => void
}

/**
 * Places for trees: budgets of the supervisor's and of each session's. Launches over one wait in order; one that waits
 * for its own session's trees holds up no other session's.
 */
export class TreePlaces {
  readonly #most: number
  readonly #familyOf: (run: SupervisedRun) => ReadonlySet<SupervisedRun>
  readonly #taken = new Set<TreePlace>()
  readonly #waiting = new Set<WaitingLaunch>()

  /** `familyOf` a run: itself and its ancestors, none of which ends before it has. */
  constructor({ trees }: Budget, familyOf: (run: SupervisedRun) => ReadonlySet<SupervisedRun>) {
    this.#most = trees
    this.#familyOf = familyOf
  }

  /** Null where there is no place. Whoever waits is kept waiting by what this one would wait for as well. */
  takeNow(run: SupervisedRun | null): TreePlace | null {
    if (this.#holders(run) !== null) return null
    const place: TreePlace = { run, lingers: false }
    this.#taken.add(place)
    return place
  }

  /**
   * Waits for a place; null where `signal` aborts before there is one. Rejects with `deadlock` where only the run's own
   * end could give one free.
   */
  async take(run: SupervisedRun | null, signal: AbortSignal): Promise<TreePlace | null> {
    const { promise, resolve, reject } = Promise.withResolvers<TreePlace | null>()
    const place: TreePlace = { run, lingers: false }
    const waiting: WaitingLaunch = { place, grant: () => resolve(place), refuse: reject }
    const withdraw = () => {
      if (this.#waiting.delete(waiting)) resolve(null)
    }
    signal.addEventListener('abort', withdraw)
    this.#waiting.add(waiting)
    if (signal.aborted) withdraw()
    this.#refuseStuck()
    return promise.finally(() => signal.removeEventListener('abort', withdraw))
  }

  leave(place: TreePlace): void {
    this.#taken.delete(place)
    for (const waiting of this.#waiting) {
      if (this.#taken.size >= this.#most) break
      if (this.#holders(waiting.place.run) !== null) continue
      this.#waiting.delete(waiting)
      this.#taken.add(waiting.place)
      waiting.grant()
    }
    this.#refuseStuck()
  }

  /** What is left of the tree of this place lives until its run ends. */
  lingers(place: TreePlace): void {
    place.lingers = true
    this.#refuseStuck()
  }

  /** Who holds the places that a launch of this run would wait for; null where there is one for it. */
  #holders(run: SupervisedRun | null): readonly TreePlace[] | null {
    const ofSession = run?.request.sessionBudget.trees ?? Number.POSITIVE_INFINITY
    if (run !== null && ofSession !== Number.POSITIVE_INFINITY) {
      const { session } = run.request
      const holders = [...this.#taken].filter((place) => place.run?.request.session === session)
      if (holders.length >= ofSession) return holders
    }
    return this.#taken.size >= this.#most ? [...this.#taken] : null
  }

  /** What lingers ends with its run, and a run ends after its subagents: waiting for such places would be for ever. */
  #refuseStuck(): void {
    for (const waiting of this.#waiting) {
      const { run } = waiting.place
      const holders = this.#holders(run)
      if (run === null || holders === null) continue
      const family = this.#familyOf(run)
      if (!holders.every((place) => place.lingers && place.run !== null && family.has(place.run))) continue
      this.#waiting.delete(waiting)
      const { session } = run.request
      const message = `run ${run.id} can launch no tree: what lingers of its own holds all ${holders.length} places until it ends`
      waiting.refuse(new CoppiceError('deadlock', message, { run: run.id, session }))
    }
  }
}
