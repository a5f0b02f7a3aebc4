import type { ContainmentKind, Exit, HostPipes, StdioPlan, TreeReport } from '../containment/contract.js'
import type { Limits } from '../containment/limits.js'
import type { StopPlan } from '../containment/stop-plan.js'
import type { ErrorMessage } from '../errors.js'
import type { Bounds } from '../runs/bounds.js'
import type { Breaker, BreakerRules } from '../runs/breaker.js'
import type { Outcome } from '../runs/outcome.js'
import type { SubagentLimits } from '../runs/subagents.js'
import type {
  Priority,
  RunFilter,
  StoredRun,
  StoredSession,
  StoredTree,
  SupervisorRecord,
  ThrownRecord,
  TranscriptItem,
  TranscriptRange,
} from '../store/contract.js'
import type { Budget } from './budget.js'
import type { EventName, SupervisorEvents } from './events.js'

/**
 * Everything that the host's thread and the keeper's thread say to each other. The port keeps the order, so an
 * answer never overtakes the output that was sent before it.
 */

/** What the keeper is started with. */
export interface KeeperSettings {
  /** Null for a keeper of trees alone, behind `coppice/exec`. */
  readonly store: StoreSettings | null
  /** The kind that is insisted on; null for the best that works here. */
  readonly containment: ContainmentKind | null
  readonly logLevel: string
  /** The lowest level that the host's logger writes; null where it has none. */
  readonly hostLog: LogLevel | null
  /** The events that somebody listens to from the first moment on. */
  readonly listened: readonly EventName[]
  readonly loopTimeout: LoopTimeout
  readonly budget: Budget
  /** What its runs may have of subagents. */
  readonly subagents: SubagentLimits
}

/** How long the host's event loop may be blocked, in milliseconds; then that is logged and stored. */
export interface LoopTimeout {
  readonly after: number
  /** Whether every run is ended as well, and then the process, by SIGKILL. */
  readonly exits: boolean
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface StoreSettings {
  readonly location: string
  readonly ttl: number
  readonly runtimeDir: string
  /** Supervisors that this process has closed, or whose keeper died: they are gone though their process lives. */
  readonly gone: readonly string[]
  /** Only to look: nothing is created, joined or recovered. */
  readonly observe: boolean
}

/** Questions of the host, each answered once. */
export interface Calls {
  /** Resolves when the run is admitted; fails when it is refused or ends while it waits. */
  admit: { ask: RunRequest; answer: { fence: number } }
  append: { ask: { run: string; body: string }; answer: string }
  draft: { ask: { run: string; body: string | null }; answer: undefined }
  check: { ask: { run: string }; answer: undefined }
  /** Resolves when the tree is launched, or was cancelled before there was a place for it. */
  launch: { ask: TreeRequest; answer: Launched | NeverLaunched }
  /** Resolves when the run has ended; it may be any process's run. */
  cancel: { ask: CancelRequest; answer: Outcome }
  find: { ask: RunFilter; answer: StoredRun[] }
  /** One run as it is stored; null where there is none of that id. */
  look: { ask: { run: string }; answer: StoredRun | null }
  trees: { ask: { run: string }; answer: StoredTree[] }
  sessions: { ask: undefined; answer: StoredSession[] }
  breaker: { ask: { session: string }; answer: Breaker | null }
  /** Answers with the breaker as it was. */
  closeBreaker: { ask: { session: string }; answer: Breaker | null }
  transcript: { ask: { session: string; range: TranscriptRange }; answer: TranscriptItem[] }
  /** What the run waits for just now, JSON text; null for nothing. */
  waits: { ask: { run: string; waits: string | null }; answer: undefined }
  health: { ask: undefined; answer: KeeperHealth }
  /** All that are open in the store, and what those say that can be asked. */
  supervisors: { ask: undefined; answer: SeenSupervisor[] }
  /** Ends what another keeper of this process left when it died: the runs of its store's id, or bare trees. */
  bury: { ask: { supervisor: string | null; trees: readonly string[] }; answer: undefined }
  /**
   * Leaves what runs this many milliseconds, then ends every run and tree within so many where that is less than their
   * bounds.
   */
  close: { ask: { drain: number; within: number }; answer: undefined }
}

/** How a supervisor is, as its keeper sees it. */
export interface KeeperHealth {
  readonly supervisor: string
  readonly pid: number
  /** Milliseconds that the host's event loop has not answered; 0 while it turns. */
  readonly hostBlockedMs: number
  /** The longest delay of the keeper's own event loop since it was asked last, in milliseconds. */
  readonly keeperDelayMs: number
  /** Milliseconds since its leases were renewed. */
  readonly renewedMs: number
  readonly running: number
  readonly waiting: number
  readonly trees: number
}

export interface SeenSupervisor {
  readonly record: SupervisorRecord
  readonly alive: 'alive' | 'dead' | 'unknown'
  /** Null where it did not answer. */
  readonly health: KeeperHealth | null
}

/** How long a run or a command has made no progress, and what it is at. */
export interface Stillness {
  readonly milliseconds: number
  readonly doing: string
  /** Whether it waits for what has a bound of its own: a person, an event, a session. */
  readonly isWaiting: boolean
}

export interface Launched {
  readonly pid: number
  readonly pipes: HostPipes | null
}

export interface NeverLaunched {
  readonly neverLaunched: TreeResult
}

export type CallName = keyof Calls
export type Call = { [Name in CallName]: { readonly name: Name; readonly ask: Calls[Name]['ask'] } }[CallName]

export interface RunRequest {
  readonly run: string
  readonly session: string | null
  readonly parent: string | null
  readonly request: { readonly id: string; readonly payload: string } | null
  readonly priority: Priority
  readonly labels: string | null
  readonly bounds: Bounds
  /** Milliseconds that it waits for its session; null as long as the holders before it take. */
  readonly wait: number | null
  /** Whether the holder of its session is stopped for it. */
  readonly interrupts: boolean
  /** How many runs may wait for its session. */
  readonly maxWaiters: number
  /** What the trees of its session may take together. */
  readonly sessionBudget: { readonly trees: number; readonly limits: Limits }
  /** What opens its session's breaker; null where it brings no rules. */
  readonly breaker: BreakerRules | null
}

export interface TreeRequest {
  /** Null for a tree without a run, whose own id is then its cookie. */
  readonly run: string | null
  readonly tree: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdio: readonly [StdioPlan, StdioPlan, StdioPlan]
  readonly terminal: boolean
  readonly bounds: Bounds
  readonly limits: Limits
  readonly stop: StopPlan
  /** `keep`: what lives when the root has exited lives on until the run ends. */
  readonly linger: 'stop' | 'keep'
}

/** What a close that is under way is shortened to, counted from now; null leaves it as it is. */
export interface ClosingHaste {
  readonly drain: number | null
  readonly within: number | null
}

export interface CancelRequest {
  readonly target: { readonly run: string } | { readonly session: string }
  readonly message: string | null
  /** Milliseconds, where the caller wants another grace than the run's. */
  readonly grace: number | null
  /** Whether the run is taken from its supervisor, of whatever process. */
  readonly force: boolean
}

/** How a tree ended: by itself, or because of what. The first one wins, as for a run. */
export type TreeEnding = 'exited' | 'cancelled' | 'timed_out' | 'stalled' | 'over_limit' | 'lost'

export interface TreeResult {
  readonly exit: Exit
  readonly ended: TreeEnding
  /** Whether it ended because its run did. */
  readonly byRun: boolean
  readonly forced: boolean
  readonly report: TreeReport
  /** Whether the root alone has ended, and what it left lives on until the run ends. */
  readonly lingers: boolean
  readonly durationMs: number
}

/** A stream of a tree by its descriptor: 1 is stdout, 2 is stderr. */
export type OutputStream = 1 | 2

export type ToKeeper =
  | { readonly type: 'call'; readonly id: number; readonly call: Call }
  /** The callback of a run has returned, or thrown `error`. */
  | { readonly type: 'settled'; readonly run: string; readonly error: ThrownRecord | null }
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
  | { readonly type: 'alive' }
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
