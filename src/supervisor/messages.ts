import type { ErrorMessage } from '../errors.js'
import type { Outcome } from '../runs/outcome.js'
import type { ToldEnding } from '../store/ending-contract.js'
import type { ThrownRecord } from '../store/records.js'
import type { Call } from './calls.js'
import type { EventName, SupervisorEvents } from './events.js'
import type { LoopTimes } from './health.js'
import type { LogLevel } from './keeper-settings.js'
import type { OutputStream, TreeResult } from './tree-request.js'

/**
 * Everything that the host's thread and the keeper's thread say to each other. The port keeps the order, so an
 * answer never overtakes the output that was sent before it.
 */

export type ToKeeper =
  | { readonly type: 'call'; readonly id: number; readonly call: Call }
  /** The callback of a run has returned, or thrown `error`, maybe after it was left behind. */
  | {
      readonly type: 'settled'
      readonly run: string
      readonly error: ThrownRecord | null
      /** Messages that are through where it has returned. */
      readonly through: readonly string[]
    }
  /** The host's handler has taken an ending, or failed with this error. */
  | { readonly type: 'told'; readonly ending: number; readonly error: string | null }
  /** Input for a tree's stdin; null ends it. Answered by `stdinTaken`. */
  | { readonly type: 'stdin'; readonly tree: string; readonly chunk: Uint8Array | null }
  /** The host has taken this much output and can take as much again. */
  | { readonly type: 'credit'; readonly tree: string; readonly stream: OutputStream; readonly bytes: number }
  /** The host has opened the tree's pipes, or cannot. */
  | { readonly type: 'opened'; readonly tree: string }
  /** A close that is under way has less time. */
  | { readonly type: 'hasten'; readonly haste: ClosingHaste }
  /** Which events somebody listens to. */
  | { readonly type: 'listen'; readonly names: readonly EventName[] }
  /** The host has written so many lines of its log. */
  | { readonly type: 'logged'; readonly count: number }
  /** The answer to `askStill`. */
  | { readonly type: 'still'; readonly of: string; readonly still: Stillness }
  /** The answer to `askAlive`. */
  | { readonly type: 'alive'; readonly loop: LoopTimes; readonly idles: boolean }
  /** What the run said with `progress`. */
  | { readonly type: 'label'; readonly run: string; readonly label: string }
  | {
      readonly type: 'cancelTree'
      readonly tree: string
      readonly grace: number | null
      readonly ended: 'cancelled' | 'over_limit'
    }

export type ToHost =
  /** The keeper serves; `supervisor` is its id in the store. */
  | { readonly type: 'open'; readonly supervisor: string }
  | { readonly type: 'openFailed'; readonly error: ErrorMessage }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly error: ErrorMessage }
  /** The run begins to end: its signal aborts with this error. */
  | { readonly type: 'abort'; readonly run: string; readonly error: ErrorMessage }
  /** The run is terminal and its session free. */
  | { readonly type: 'ended'; readonly run: string; readonly outcome: Outcome }
  /** The run is over for the host, but its ending could not be stored so far. */
  | { readonly type: 'unstored'; readonly run: string; readonly error: ErrorMessage }
  /** The run and its request are stored, and wait. */
  | { readonly type: 'waits'; readonly run: string }
  /** There may be messages in the run's inbox. */
  | { readonly type: 'message'; readonly run: string }
  /** For the host's handler. Answered by `told`. */
  | { readonly type: 'ending'; readonly ending: ToldEnding }
  | {
      readonly type: 'output'
      readonly tree: string
      readonly stream: OutputStream
      readonly chunk: Uint8Array
    }
  /** How long has it made no progress? */
  | { readonly type: 'askStill'; readonly run: string }
  | { readonly type: 'askStill'; readonly tree: string }
  /** Does the host's event loop turn? */
  | { readonly type: 'askAlive' }
  | { readonly type: 'stdinTaken'; readonly tree: string }
  /** The tree is asked to end, by the end of its stdin. */
  | { readonly type: 'endStdin'; readonly tree: string }
  /** Nothing of the tree follows any more. */
  | { readonly type: 'treeEnded'; readonly tree: string; readonly result: TreeResult }
  | LogLine
  | EventMessage

/** How long a run or a command has made no progress, and what it is at. */
export interface Stillness {
  readonly milliseconds: number
  readonly doing: string
  /** Whether it waits for what has a bound of its own: a person, an event, a session. */
  readonly isWaiting: boolean
}

/** What a close that is under way is shortened to, counted from now; null leaves it as it is. */
export interface ClosingHaste {
  readonly drain: number | null
  readonly within: number | null
}

/** A line for the host's logger. */
export interface LogLine {
  readonly type: 'log'
  /** Who writes it. */
  readonly supervisor: string
  readonly level: LogLevel
  /** When it happened. */
  readonly at: number
  readonly fields: object
  readonly error: LoggedError | null
  readonly message: string
}

export type LoggedError =
  | { readonly coppice: ErrorMessage; readonly stack: string | null }
  | { readonly name: string; readonly message: string; readonly stack: string | null }

export type EventMessage = {
  [Name in EventName]: { readonly type: 'event'; readonly name: Name; readonly event: SupervisorEvents[Name] }
}[EventName]

export type SendToHost = (message: ToHost, transfer?: ArrayBuffer[]) => void
