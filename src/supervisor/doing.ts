import type { ProcessState } from '../containment/processes/process-state.js'
import type { Breaker } from '../runs/breaker.js'
import type { Cause } from '../runs/causes.js'
import type { State } from '../runs/states.js'
import type { StoredRun, StoredTree } from '../store/records.js'
import type { SeenSupervisor } from './health.js'

/** What a run is doing, told by its keeper, also where its host cannot say anything. Durations are milliseconds. */
export interface RunDoing {
  readonly run: string
  readonly state: State
  /** Milliseconds that the host's event loop has not answered; 0 while it turns. */
  readonly hostBlockedMs: number
  /** Since its last sign of progress; null where its host did not say. */
  readonly idleMs: number | null
  /** In words: its callback, a command, a subagent, what it waits for; null where its host did not say. */
  readonly doing: string | null
  /** The latest of `progress`. */
  readonly label: string | null
  /** Whether it waits for a place among its supervisor's runs. */
  readonly waitsForPlace: boolean
  readonly commands: readonly RunningCommand[]
  readonly subagents: readonly LiveSubagent[]
  /** Until its timeout; null where it has none, or stops already. */
  readonly timeLeftMs: number | null
  /** Null while it does not stop. */
  readonly stopping: {
    readonly cause: Cause
    readonly message: string | null
    /** Until what lives is killed; 0 from then on. */
    readonly graceLeftMs: number
    /** Until the run is terminal at the latest. */
    readonly boundLeftMs: number
  } | null
}

/** A command of a run whose root runs, by what it was launched with. */
export interface RunningCommand {
  readonly tree: string
  readonly command: readonly string[]
  readonly pid: number
  readonly runningMs: number
}

export interface LiveSubagent {
  readonly run: string
  readonly session: string | null
  readonly state: State
}

export interface WhyFacts {
  /** The run that asked for the session last of those that have ended; null where there is none. */
  readonly last: StoredRun | null
  readonly holder: StoredRun | null
  /** How the holder's supervisor is, without its health. */
  readonly supervisor: Omit<SeenSupervisor, 'health'> | null
  readonly doing: RunDoing | null
  /** The holder's trees that are not known to have ended. */
  readonly trees: readonly StoredTree[]
  readonly subagents: readonly StoredRun[]
  /** In the order in which they get the session; 1,000 at most. */
  readonly waiters: readonly StoredRun[]
  /** How many there are. */
  readonly queueLength: number
  readonly breaker: Breaker | null
}

/** A process of a tree. */
export interface TreeProcess {
  readonly tree: string
  readonly pid: number
  readonly ppid: number
  readonly name: string
  readonly state: ProcessState
  readonly ageMs: number
  readonly cpuMs: number
  readonly residentBytes: number
}
