import type { ContainmentKind } from '../containment/contract.js'
import type { SubagentLimits } from '../runs/subagents.js'
import type { Budget } from './budget.js'
import type { EventName } from './events.js'

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
  /** How often a request may be tried. */
  readonly maxTries: number
  /** How endings are told; null where nobody here wants to hear of them. */
  readonly telling: TellingSettings | null
  /** What is forgotten of old runs. */
  readonly keep: KeepSettings
}

export interface StoreSettings {
  readonly location: string
  readonly ttl: number
  readonly runtimeDir: string
  /** Supervisors that this process has closed, or whose keeper died: they are gone though their process lives. */
  readonly gone: readonly string[]
  /** Only to look: nothing is created, joined or recovered. */
  readonly observe: boolean
}

export interface TellingSettings {
  /** Milliseconds that a session's next admission is held until its ending is acknowledged; null for not at all. */
  readonly hold: number | null
}

export interface KeepSettings {
  /** Milliseconds since its end; Infinity for ever. */
  readonly age: number
  /** How many runs at most; null for any number. */
  readonly number: number | null
}

/** How long the host's event loop may be blocked, in milliseconds; then that is logged and stored. */
export interface LoopTimeout {
  readonly after: number
  /** Whether every run is ended as well, and then the process, by SIGKILL. */
  readonly exits: boolean
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Where the host's event loop runs: its thread by the kernel's number, where that has one. */
export interface HostThread {
  readonly hostThread: number | null
}
