import type { Identity } from '../../identity.js'

/**
 * The machine's processes: who lives, who descends from whom, who carries our cookie. Every platform file
 * opens this one shape (linux.ts, posix.ts, windows.ts); processes.ts chooses.
 */
export interface ProcessTable {
  readonly self: Identity
  /** Every process that can be seen, zombies too. Rejects where the answer would be incomplete. */
  list(): Promise<ProcessEntry[]>
  /** What each process carries in its environment. In a bounded time: what is not read is unknown. */
  cookiesOf(pids: readonly number[]): Promise<Map<number, CookieReading>>
  cookieOf(pid: number): Promise<CookieReading>
  /** Null where there is no such process. A zombie still has its identity. */
  identify(pid: number): Promise<Identity | null>
  /** The identity of a child that was spawned in this very turn of the event loop. */
  identifyChild(pid: number): Promise<Identity>
  isAlive(identity: Identity): Promise<Liveness>
  /** Signals the processes that still are who they were, never pid 1 or ourselves; returns those it reached. */
  signalAll<T extends Numbered>(processes: readonly T[], signal: NodeJS.Signals): Promise<T[]>
  /** The same for an identity that may be of another boot or pid namespace, which is then not signalled. */
  signal(identity: Identity, signal: NodeJS.Signals): Promise<boolean>
  /** Whether the first of two start times lies before the second. */
  startedBefore(startTime: string, other: string): boolean
}

/** A process of this boot and pid namespace. */
export interface Numbered {
  readonly pid: number
  readonly startTime: string
}

export interface ProcessEntry extends Numbered {
  readonly ppid: number
  readonly pgid: number
  /** Null where the system does not tell. */
  readonly sid: number | null
  readonly state: 'alive' | 'zombie'
  readonly name: string
}

/** `unknown`: of another pid namespace, or hidden from us. A zombie is dead, and so is another boot's. */
export type Liveness = 'alive' | 'dead' | 'unknown'

/** `COPPICE_RUN` and `COPPICE_TREE` of a process. */
export interface Cookie {
  readonly run: string | null
  readonly tree: string | null
}

/** Null: it carries none. `unknown`: its environment cannot be read, which says nothing about it. */
export type CookieReading = Cookie | null | 'unknown'
