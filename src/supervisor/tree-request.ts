import type { Exit, HostPipes, StdioPlan, TreeReport } from '../containment/contract.js'
import type { Limits } from '../containment/limits.js'
import type { StopPlan } from '../containment/stop-plan.js'
import type { Bounds } from '../runs/bounds.js'

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
  readonly nice: number
  readonly stop: StopPlan
  /** `keep`: what lives when the root has exited lives on until the run ends. */
  readonly linger: 'stop' | 'keep'
  /** The call of the model that it is launched for. */
  readonly callId: string | null
}

export interface Launched {
  readonly pid: number
  readonly pipes: HostPipes | null
}

export interface NeverLaunched {
  readonly neverLaunched: TreeResult
}

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

/** How a tree ended: by itself, or because of what. The first one wins, as for a run. */
export type TreeEnding = 'exited' | 'cancelled' | 'timed_out' | 'stalled' | 'over_limit' | 'lost'

/** A stream of a tree by its descriptor: 1 is stdout, 2 is stderr. */
export type OutputStream = 1 | 2
