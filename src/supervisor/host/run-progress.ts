import type { Stillness } from '../messages.js'
import { Activity, type Part, stillnessOf } from './activity.js'
import { Waits } from './waits.js'

/** Characters of a label that a message quotes. */
export const longestLabel = 200

/** What a run is at, as far as the host sees it: for its `stallTimeout`. */
export class RunProgress {
  readonly waits: Waits
  readonly #activity = new Activity()
  /** The commands and subagents that are under way. */
  readonly #parts = new Set<Part>()
  #label: string | null = null

  /** `storeWaits` writes down what the run waits for. */
  constructor(storeWaits: (waits: string | null) => Promise<void>) {
    this.waits = new Waits(storeWaits)
  }

  touch(): void {
    this.#activity.touch()
  }

  /** True where it is another one than before: the keeper is to know it, also when the loop is blocked by what follows. */
  label(text: string): boolean {
    const before = this.#label
    this.#label = text.slice(0, longestLabel)
    return this.#label !== before
  }

  /** Something that makes progress on the run's behalf, until it is over. */
  add(part: Part, over: PromiseLike<unknown>): void {
    this.touch()
    this.#parts.add(part)
    const done = () => {
      this.touch()
      this.#parts.delete(part)
    }
    over.then(done, done)
  }

  /** How long neither it nor anything that it has started has made progress. `isPausing`: between two attempts. */
  stillness(isPausing: boolean): Stillness {
    const wait = this.waits.current
    const doing = wait === null ? 'its callback' : `waiting for ${wait.what}`
    const own = { milliseconds: this.#activity.still, doing, isWaiting: wait !== null || isPausing }
    const all = stillnessOf(own, this.#parts)
    return this.#label === null ? all : { ...all, doing: `${all.doing}, after progress “${this.#label}”` }
  }
}

/** A subagent as a part of its parent. */
export function subagentPart(run: {
  readonly id: string
  readonly session: string | null
  readonly stillness: Stillness
}): Part {
  const { id, session } = run
  return {
    get stillness() {
      const { doing, ...rest } = run.stillness
      return {
        ...rest,
        doing: `subagent ${id}${session === null ? '' : ` of session ${session}`}, at ${doing}`,
      }
    },
  }
}
