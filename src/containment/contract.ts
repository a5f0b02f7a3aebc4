import type { Readable, Writable } from 'node:stream'
import type { Identity } from '../identity.js'
import type { Proof, Survivor } from '../proof.js'
import type { Exceeded, Limits } from './limits.js'
import type { StopPlan } from './stop-plan.js'

/**
 * What every kind of containment offers: to launch a command as the root of a process tree, and to find, end
 * and account for the whole tree. It knows nothing of runs, sessions or stores.
 */

export const containmentKinds = ['cgroup', 'guard', 'job', 'group'] as const
export type ContainmentKind = (typeof containmentKinds)[number]

export interface Containment {
  readonly kind: ContainmentKind
  /**
   * Starts a tree. Rejects with `command_not_found`, `command_not_executable` or `launch_failed`, each with
   * `path`; where it rejects, nothing was started and nothing needs to be ended. A limit that this kind cannot hold
   * is `launch_failed` too.
   */
  launch(request: LaunchRequest): Promise<Tree>
  /**
   * Ends what a supervisor that is gone left of a run: every process that carries the run's cookie, is in a
   * recorded group or descends from one of those. Resolves when none is left or the bound has passed.
   */
  sweep(target: SweepTarget): Promise<TreeReport>
  /**
   * Says when the leases of whoever launches end, in milliseconds of the monotonic clock, and how long they live: trees
   * end before, also where nobody is left to end them. Trees that are launched before the first call have no lease.
   */
  renew(until: number, ttl: number): void
  /** Stops what the containment itself keeps running. Trees are ended before by whoever launched them. */
  close(): Promise<void>
}

/** Where a descriptor of the root leads: a pipe to us, our own descriptor, or nowhere. */
export type StdioPlan = 'pipe' | 'inherit' | 'ignore'

export interface LaunchRequest {
  /** Id of the tree: the value of `COPPICE_TREE` in its environment. */
  readonly tree: string
  /** The run's cookie path, outer/inner: the value of `COPPICE_RUN`; null for a tree without a run. */
  readonly run: string | null
  /** Whom the tree is for: trees of one owner share a parent where there are cgroups. Default: the run, else the tree. */
  readonly owner?: string
  /** What the trees of the owner may take together, where there are cgroups for it; elsewhere each of them. */
  readonly ownerLimits?: Limits
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** Differences from the supervisor's own environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly stdio: readonly [StdioPlan, StdioPlan, StdioPlan]
  /**
   * `stop`: the tree ends when its root has exited, also where whoever launched it is frozen; `keep`: what is left then
   * runs until the tree is ended. A containment without a guard leaves both to whoever launched the tree.
   */
  readonly linger: 'stop' | 'keep'
  /** Whether the root owns the terminal that its stdio is, and what is typed there, while it runs. */
  readonly terminal?: boolean
  /** A path where a guard leaves word of the tree's end when there is nobody to tell; whoever sweeps reads it. */
  readonly lastWord?: string
  /** What the containment does by itself, where whoever launched the tree is frozen or gone. */
  readonly bounds: TreeBounds
  /**
   * Its abort kills what is being launched, in an exec that hangs too: a launch that is killed resolves, with a tree that
   * is empty. A containment whose launches do not wait need not look at it.
   */
  readonly signal?: AbortSignal
  readonly limits: Limits
  /** How far the tree steps back where the processors are busy, as nice(1) counts it: 0, the default, to 19. */
  readonly nice?: number
  /** How `terminate` asks. */
  readonly stop: StopPlan
}

/** Milliseconds, and `Infinity` for none. */
export interface TreeBounds {
  /** From the launch until the tree is ended as `timed_out`, unless its root has exited and the rest may linger. */
  readonly timeout: number
  /** Between SIGTERM and SIGKILL. */
  readonly grace: number
  /** From SIGKILL until what lives counts as a survivor. */
  readonly killBound: number
}

/** A pipe whose other end is the tree's: it is opened by path, and its inode tells that it is the one. */
export interface HostPipe {
  readonly path: string
  readonly inode: bigint
}

export type HostPipes = readonly [stdin: HostPipe | null, stdout: HostPipe | null, stderr: HostPipe | null]

/** Why a containment ends a tree by itself. */
export type StopCause = 'exited' | 'timed_out' | 'over_limit' | 'lost'

/** What the operating system reported of the root process. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A launched tree. Nothing of it rejects. */
export interface Tree {
  readonly id: string
  readonly containment: ContainmentKind
  readonly root: Identity
  /** Null where the plan was not `pipe`, and where the pipes are opened by path. */
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  /** Pipes that are for whoever reads and writes them to open; null where they are the streams above. */
  readonly pipes: HostPipes | null
  /** Says that they are opened, or that nobody will. */
  opened(): void
  /** Resolves when the containment begins to end the tree by itself. */
  readonly stopped: Promise<StopCause>
  /** Resolves when the root has exited; its descendants may live on. */
  readonly exited: Promise<Exit>
  /** Resolves once no process of the tree is alive, as far as this kind can see. */
  readonly emptied: Promise<void>
  /**
   * SIGTERM, then SIGCONT, to every process of the tree, or what its stop plan says instead. Resolves when they are
   * sent. What lives after `grace` milliseconds is killed, by a containment that can, also where nobody calls `kill`.
   */
  terminate(grace: number): Promise<void>
  /** SIGKILL to every process of the tree, again and again until it is empty or `abandon` is called. */
  kill(): void
  /** What can be said of the tree now: before `emptied` its living processes are the survivors. */
  report(): Promise<TreeReport>
  /** Gives the tree up: no further signal or scan. For a tree that outlived its kill bound. */
  abandon(): void
}

export interface TreeReport {
  readonly containment: ContainmentKind
  readonly proof: Proof
  /** How many processes were killed (SIGKILL), as far as they were seen. */
  readonly killed: number
  /** Descendants that were alive when the root had exited; 32 at most are named. */
  readonly lingered: readonly Survivor[]
  readonly survivors: readonly Survivor[]
  /** The limit for which the tree was ended; null where it was ended for another reason. */
  readonly exceeded: Exceeded | null
  readonly usage: Usage | null
}

export interface Usage {
  readonly cpuMs: number
  readonly maxRssBytes: number
}

export interface SweepTarget {
  /** The cookie path of the run whose trees are to be ended: itself and everything below it. */
  readonly run: string
  /** The roots that were recorded when they were launched; their groups are swept too. */
  readonly roots: readonly Identity[]
  /** Where guards leave word, of the trees that had not ended. */
  readonly lastWords: readonly string[]
  /** Milliseconds between SIGTERM and SIGKILL, and from SIGKILL until what is left counts as a survivor. */
  readonly grace: number
  readonly killBound: number
}
