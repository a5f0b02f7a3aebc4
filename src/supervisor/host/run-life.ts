import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import { isTerminal, type State } from '../../runs/states.js'
import { deferred } from '../../timers.js'
import { pace } from '../pace.js'
import { runError } from '../run-error.js'
import type { Accepted } from './run-faces.js'

/** Who waits for news of a run. They are let go at its end, which a callback that never settles outlives. */
interface Waiting {
  accept(accepted: Accepted): void
  end(outcome: Outcome): void
  over(error: CoppiceError): void
}

/** How many runs this thread has. */
let living = 0
pace.isShared = () => living > 1

/** How far a run has come, as the keeper has told its host, and the promises and the signal that say so. */
export class RunLife {
  readonly run: string
  readonly session: string | null
  readonly outcome: Promise<Outcome>
  /** Resolves when the caller need wait no longer: with the error of a run that did not just return or throw. */
  readonly over: Promise<CoppiceError>
  readonly accepted: Promise<Accepted>
  readonly #abort = new AbortController()
  #state: State = 'waiting'
  /** Whether its end was told before its callback has settled: the keeper counts those. */
  #isLeftBehind = false
  #waiting: Waiting | null
  /** Until it is known where it is: of a refusal its end is told before the refusal itself. */
  #refuse: ((error: unknown) => void) | null

  constructor(run: string, session: string | null) {
    const outcome = deferred<Outcome>()
    const over = deferred<CoppiceError>()
    const accepted = deferred<Accepted>()
    this.run = run
    this.session = session
    this.outcome = outcome.promise
    this.over = over.promise
    this.accepted = accepted.promise
    this.#waiting = {
      accept: accepted.resolve,
      end: outcome.resolve,
      over: over.resolve,
    }
    this.#refuse = accepted.reject
    living += 1
  }

  get state(): State {
    return this.#state
  }

  get hasEnded(): boolean {
    return isTerminal(this.#state)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  wasAccepted(accepted: Accepted): void {
    this.#waiting?.accept(accepted)
    this.#refuse = null
  }

  wasRefused(error: unknown): void {
    this.#refuse?.(error)
    this.#refuse = null
  }

  /** It has its session. */
  begin(): void {
    if (this.#state === 'waiting') this.#state = 'running'
    this.wasAccepted({ state: 'running', run: this.run })
  }

  stop(error: CoppiceError): void {
    this.#state = 'stopping'
    if (!this.signal.aborted) this.#abort.abort(error)
  }

  /** Its callback has returned, or thrown. False where nobody is to hear of it any more. */
  settle(): boolean {
    if (this.hasEnded && !this.#isLeftBehind) return false
    this.#isLeftBehind = false
    return true
  }

  /** Its caller need wait no longer, though its ending may be told later. */
  giveUp(error: CoppiceError): void {
    this.#waiting?.over(error)
  }

  end(outcome: Outcome): void {
    this.#state = outcome.state
    this.#isLeftBehind = outcome.callback === 'left_behind'
    const error = runError(this, outcome.cause, outcome.message)
    if (!this.signal.aborted) this.#abort.abort(error)
    const heard: unknown = this.signal.reason
    this.#waiting?.over(isSame(heard, error) ? heard : error)
    this.#waiting?.end(outcome)
    this.#waiting = null
    living -= 1
  }

  /** Until its end a run takes entries, so that a callback can write its partial work down; after it, nothing. */
  refuseAfterEnd(): void {
    if (this.hasEnded) throw this.endedError()
  }

  endedError(): CoppiceError {
    const code = this.#state === 'lost' ? 'run_lost' : 'run_ended'
    const { run, session } = this
    return new CoppiceError(code, `run ${run} has ended as ${this.#state}`, { run, session })
  }
}

function isSame(heard: unknown, { code, message }: CoppiceError): heard is CoppiceError {
  return isCoppiceError(heard, code) && heard.message === message
}
