import type { Limits } from '../containment/limits.js'
import type { Bounds } from '../runs/bounds.js'
import type { Breaker, BreakerRules } from '../runs/breaker.js'
import type { Outcome } from '../runs/outcome.js'
import type { Priority } from '../store/admission-contract.js'
import type {
  EntryMark,
  RunFilter,
  StoredSession,
  TranscriptItem,
  TranscriptRange,
} from '../store/looking-contract.js'
import type { StoredRun, StoredTree } from '../store/records.js'
import type { Message, PendingFilter, PendingRequest } from '../store/request-contract.js'
import type { RunDoing, TreeProcess, WhyFacts } from './doing.js'
import type { HealthFacts, SeenSupervisor } from './health.js'
import type { KeepSettings } from './keeper-settings.js'
import type { Launched, NeverLaunched, TreeRequest } from './tree-request.js'

/** Questions of the host, each answered once. */
export interface Calls {
  /** Resolves when the run is admitted; fails when it is refused or ends while it waits. */
  admit: { ask: RunRequest; answer: Begun | Follows }
  /** Tells which messages of the run's inbox are done, and takes the next ones. */
  messages: { ask: MessagesRequest; answer: Message[] }
  /** Requests that no run has and that one is to have. */
  pending: { ask: PendingFilter; answer: PendingRequest[] }
  /** From now on the host takes endings. */
  tellEndings: { ask: undefined; answer: undefined }
  /** Forgets what is older. */
  prune: { ask: KeepSettings; answer: { runs: number; requests: number; trees: number } }
  append: {
    ask: { run: string; body: string; calls?: readonly string[]; results?: readonly string[] }
    answer: string
  }
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
  /** How this supervisor is, and all others of its store, within a second or so. */
  health: { ask: undefined; answer: HealthFacts }
  /** What a run of whichever supervisor is doing, as its own keeper says; null where nobody says it. */
  doing: { ask: { run: string }; answer: RunDoing | null }
  /** Who holds a session, who waits for it, and how its holder's supervisor is. */
  why: { ask: { session: string }; answer: WhyFacts }
  /** The processes of the trees that run, of each of these runs. */
  processes: { ask: { runs: readonly string[] }; answer: TreeProcess[] }
  /** When a run wrote its entries, and which subagents of it live. */
  marks: { ask: { run: string }; answer: { entries: EntryMark[]; subagents: StoredRun[] } }
  /** All that are open in the store, and what those say that can be asked. */
  supervisors: { ask: undefined; answer: SeenSupervisor[] }
  /**
   * Recovers what every supervisor left that is gone, and watches those that are silent for so many milliseconds, until
   * their leases are over. Answers with the runs of those that are silent still.
   */
  recover: { ask: { patience: number }; answer: StoredRun[] }
  /** Ends what another keeper of this process left when it died: the runs of its store's id, or bare trees. */
  bury: { ask: { supervisor: string | null; trees: readonly string[] }; answer: undefined }
  /**
   * Leaves what runs this many milliseconds, then ends every run and tree within so many where that is less than their
   * bounds.
   */
  close: { ask: { drain: number; within: number }; answer: undefined }
}

export type CallName = keyof Calls
export type Call = { [Name in CallName]: { readonly name: Name; readonly ask: Calls[Name]['ask'] } }[CallName]

export interface RunRequest {
  readonly run: string
  readonly session: string | null
  readonly parent: string | null
  /** The payload is JSON text; null for that of a request that is stored already. */
  readonly request: { readonly id: string; readonly payload: string | null } | null
  /** Whether its request is handed to the run that holds its session. */
  readonly delivers: boolean
  /** Whether its ending is told though it has no request. */
  readonly tells: boolean
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

export interface Begun {
  readonly fence: number
  /** Of the run's request; its payload is null where the caller brought it. */
  readonly request: { readonly payload: string | null; readonly tries: number } | null
}

/** The request is another run's already, or a message of its inbox: the run never was, and ends as that does. */
export interface Follows {
  readonly follows: string
  readonly as: 'run' | 'message'
  readonly hasEnded: boolean
}

export interface MessagesRequest {
  readonly run: string
  readonly done: readonly string[]
  /** How many the run has taken so far. */
  readonly have: number
  readonly take: number
}

export interface CancelRequest {
  readonly target: { readonly run: string } | { readonly session: string }
  readonly message: string | null
  /** Milliseconds, where the caller wants another grace than the run's. */
  readonly grace: number | null
  /** Whether the run is taken from its supervisor, of whatever process. */
  readonly force: boolean
}
