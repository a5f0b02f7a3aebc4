import { type Limits, noLimits } from '../../containment/limits.js'
import { CoppiceError } from '../../errors.js'
import { defaultSubagents, type SubagentLimits } from '../../runs/subagents.js'
import { type Budget, noBudget } from '../budget.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { refuseUnknown } from './options.js'

/** What a supervisor does at once, over all its sessions; `Infinity`, the default of each, is no bound. */
export interface BudgetOptions {
  /** Runs; more wait for a place, in order, while they hold their sessions. A subagent counts and never waits. */
  readonly runs?: number
  /** Trees; the launch of another waits, in order. */
  readonly trees?: number
  /** Runs that wait for their sessions or for a place; another is refused as `queue_full`. */
  readonly waiting?: number
}

/** What one session may take. */
export interface SessionBudgetOptions {
  /** Trees at once; the launch of another waits, in order. Default: no bound. */
  readonly trees?: number
  /** How many runs may wait for it; another is refused as `queue_full`. Default 1,000. */
  readonly waiting?: number
  /** What its trees may take together, where cgroups allow; elsewhere each of them. Default: no limit. */
  readonly limits?: Omit<LimitOptions, 'output'>
}

/** Of a session by its key; null for a run without one. */
export type SessionBudgets = (session: string | null) => SessionBudget

export interface SessionBudget {
  readonly trees: number
  readonly waiting: number
  readonly limits: Limits
}

export function parseBudget(options: BudgetOptions = {}): Budget {
  refuseUnknown('budget', options, ['runs', 'trees', 'waiting'])
  const { runs, trees, waiting } = options
  return {
    runs: parseMost('budget.runs', runs, 1, noBudget.runs),
    trees: parseMost('budget.trees', trees, 1, noBudget.trees),
    waiting: parseMost('budget.waiting', waiting, 0, noBudget.waiting),
  }
}

export function parseSubagents(options: Partial<SubagentLimits> = {}): SubagentLimits {
  refuseUnknown('subagents', options, ['depth', 'atOnce'])
  const { depth, atOnce } = options
  return {
    depth: parseMost('subagents.depth', depth, 0, defaultSubagents.depth),
    atOnce: parseMost('subagents.atOnce', atOnce, 0, defaultSubagents.atOnce),
  }
}

/** What is the same for all is checked at once; what depends on the session, when a run asks for it. */
export function parseSessionBudgets(
  options: SessionBudgetOptions | ((session: string) => SessionBudgetOptions) = {},
): SessionBudgets {
  const none = parseSessionBudget({})
  if (typeof options === 'function')
    return (session) => (session === null ? none : parseSessionBudget(options(session)))
  const same = parseSessionBudget(options)
  return (session) => (session === null ? none : same)
}

function parseSessionBudget(options: SessionBudgetOptions): SessionBudget {
  refuseUnknown('sessionBudget', options, ['trees', 'waiting', 'limits'])
  refuseUnknown('sessionBudget.limits', options.limits ?? {}, ['pids', 'memory', 'cpus'])
  const { trees, waiting, limits } = options
  const most = parseMost('sessionBudget.waiting', waiting, 0, 1_000)
  return {
    trees: parseMost('sessionBudget.trees', trees, 1, Number.POSITIVE_INFINITY),
    waiting: Math.min(most, Number.MAX_SAFE_INTEGER),
    limits: parseLimits(limits, noLimits),
  }
}

function parseMost(option: string, value: unknown, least: number, otherwise: number): number {
  if (value === undefined) return otherwise
  if (value === Number.POSITIVE_INFINITY) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw new CoppiceError(
    'invalid_option',
    `${option}: ${String(value)} is no whole number from ${least} on, nor Infinity`,
  )
}
