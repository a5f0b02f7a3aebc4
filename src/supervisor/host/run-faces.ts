import type { Outcome } from '../../runs/outcome.js'
import type { State } from '../../runs/states.js'
import type { AppendOptions } from './append-options.js'
import type { AttemptContext } from './attempt.js'
import type { AttemptOptions } from './attempt-options.js'
import type { CancelOptions } from './cancel-options.js'
import type { ExecHandle } from './exec-handle.js'
import type { ExecOptions } from './exec-options.js'
import type { Inbox } from './inbox.js'
import type { RunSpec } from './spec.js'
import type { WaitOptions } from './waits.js'

/** A run as its callback has it. */
export interface Run {
  readonly id: string
  readonly session: string | null
  /** Grows with each run that is admitted to the session; for fencing writes to systems of the caller's own. */
  readonly fence: number
  /** Aborts when the run begins to end for whatever cause; its reason is a `CoppiceError`. */
  readonly signal: AbortSignal
  /** What it was started for, as it was stored first, and how often it was begun, this time counted. */
  readonly request: { readonly id: string; readonly payload: unknown; readonly tries: number } | null
  /** Requests that are handed to the run while it runs, by `ifBusy: 'deliver'`. */
  readonly inbox: Inbox
  /**
   * Adds an entry, any JSON value, to the session's transcript. Resolves, when it is durable, to its position. Options tell
   * which calls of a model it makes or answers.
   */
  append(entry: unknown, options?: AppendOptions): Promise<string>
  /** Replaces the run's draft, which its ending will hold: the part of an answer that is there so far. */
  draft(entry: unknown): Promise<void>
  /** Says that the run makes progress, for its `stallTimeout`; the label tells what it was last at where it stalls. */
  progress(label?: string): void
  /**
   * Waits for what is in nobody's hands here: a person's answer, an event. It is stored and shown while it lasts, and the
   * run does not stall by it. Resolves as `promise` does; rejects with `wait_timed_out` after its own `timeout`, and as
   * the run's signal does where the run ends. The run's `timeout` goes on.
   */
  waitFor<T>(what: string, promise: PromiseLike<T>, options: WaitOptions): Promise<T>
  /** Launches a command in a process tree of its own. */
  exec(command: string, args?: readonly string[], options?: ExecOptions): ExecHandle
  /**
   * Runs `fn` as a run of its own whose parent is this one, usually in a session of its own. Resolves to its value, and
   * rejects as `supervisor.run` does: with `deadlock` where it would wait for what only this run's end gives free.
   */
  subagent<T>(spec: RunSpec, fn: (run: Run) => T | Promise<T>): Promise<T>
  /**
   * Calls `fn`, a call of a model as a rule, until it succeeds: again after an error that `retryIf` takes for one that
   * passes, with a pause between. Resolves to its value; rejects with its last error as it is, and with the run's own as
   * soon as that begins to end. Each failed attempt is in the transcript, as an `AttemptEntry`.
   */
  attempt<T>(fn: (context: AttemptContext) => T | PromiseLike<T>, options?: AttemptOptions): Promise<T>
  /** Throws unless the run goes on and still holds its session: to be asked before a side effect. */
  check(): Promise<void>
  /** Ends the run as `cancelled`, with its trees. Resolves when it is terminal and the session free. */
  cancel(options?: CancelOptions | string): Promise<Outcome>
}

/** A run that was begun without a callback. */
export interface BegunRun extends Run, AsyncDisposable {
  readonly outcome: Promise<Outcome>
  /** Ends the run: as `succeeded`, or as `failed` where there is an `error`. */
  end(result?: { readonly error?: unknown }): Promise<Outcome>
}

/** Where a request, or a run without one, is once it is safe. */
export interface Accepted {
  /**
   * `running` and `waiting`: as a run of its own. `delivered`: in the inbox of the run that holds the session. `duplicate`:
   * another run has the request, or has ended it.
   */
  readonly state: 'running' | 'waiting' | 'delivered' | 'duplicate'
  /** The run that has it. */
  readonly run: string
}

/** What `start` gives: the run from outside. */
export interface RunHandle<T> {
  readonly id: string
  readonly session: string | null
  readonly state: State
  readonly signal: AbortSignal
  /**
   * Resolves as soon as the request is stored, so that nothing can lose it any more; of a run without one, when it has its
   * session. Rejects where it was refused, or could not be stored.
   */
  readonly accepted: Promise<Accepted>
  /**
   * How it ended; never rejects. Of a request that another run has, how that ended. Of one that was delivered, how the run
   * ended in which it was through; `lost`, where it was left over and is pending.
   */
  readonly outcome: Promise<Outcome>
  /**
   * What the callback returned; rejects with what it threw, or with a `CoppiceError` where the run ended otherwise. Where
   * another run had the request, undefined when that succeeded.
   */
  readonly result: Promise<T>
  cancel(options?: CancelOptions | string): Promise<Outcome>
}
