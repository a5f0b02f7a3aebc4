import { type ContainmentKind, containmentKinds } from '../../containment/contract.js'
import { CoppiceError } from '../../errors.js'
import type { SubagentLimits } from '../../runs/subagents.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { parseRetries } from './attempt-options.js'
import { type BreakerOptions, parseBreaker } from './breaker-options.js'
import {
  type BudgetOptions,
  parseBudget,
  parseSessionBudgets,
  parseSubagents,
  type SessionBudgetOptions,
} from './budget-options.js'
import { type CloseOptions, parseHandleSignals } from './close-options.js'
import { type EndingHandler, type EndingOptions, parseEndings } from './endings.js'
import { type HealthChecks, parseHealthChecks } from './health-checks.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { type Logger, lowestLevel, parseLogger } from './logger.js'
import { type LoopTimeoutOption, parseLoopTimeout } from './loop-timeout.js'
import { type KeepOption, parseKeep, parseMaxTries } from './message-options.js'
import { HostNews, type Listeners } from './news.js'
import { type BoundOptions, boundNames, parseBounds, refuseUnknown } from './options.js'
import type { RunDefaults } from './spec.js'
import { type StateOptions, stateOptionNames, storeSettings } from './state.js'

export interface SupervisorOptions extends BoundOptions, StateOptions {
  /**
   * Close on SIGINT, SIGTERM and SIGHUP, then die of the signal; a second one ends the drain and the grace. `true` is
   * `{ drain: 0, within: '9s' }`, inside the ten seconds of `docker stop`. Default false.
   */
  readonly handleSignals?: boolean | CloseOptions
  /** Any logger of pino's: a line for each thing that happens to a run, a tree or the store. */
  readonly logger?: Logger
  /** Listeners from the first moment on: what a supervisor recovers as it opens is told to these alone. */
  readonly on?: Listeners
  /** Insists on this kind: `launch_failed` where it cannot be had. Default: the best that works here. */
  readonly containment?: ContainmentKind
  /** What it does at once, over all its sessions. Default: no bound. */
  readonly budget?: BudgetOptions
  /** What each session may take; a function where that depends on the session. Default: 1,000 waiting runs. */
  readonly sessionBudget?: SessionBudgetOptions | ((session: string) => SessionBudgetOptions)
  /** How deep subagents may start subagents, and how many of one run may be alive at once. Default: 8 and 64. */
  readonly subagents?: Partial<SubagentLimits>
  /** When a session refuses runs for a while, because so many have failed. Default: never. */
  readonly breaker?: BreakerOptions | false
  /** What each tree may take, where its run or command asks for nothing else. Default: no limit. */
  readonly limits?: LimitOptions
  /** How long the host's event loop may be blocked before that is recorded, or the process ended. Default 2 m. */
  readonly loopTimeout?: LoopTimeoutOption
  /** What `health` asks the host itself beside everything else, each within a second: a provider, a channel. */
  readonly healthChecks?: HealthChecks
  /** How often the calls of `attempt` of one run may try again, all together. Default 100. */
  readonly retries?: number
  /**
   * Told how each run with a request ended, or with messages that were handed to it, or with `tell: true`: at least once, in
   * order per session, also what another supervisor left untold. Acknowledged when it resolves; told again where it throws.
   */
  readonly onEnding?: EndingHandler | EndingOptions
  /** How often a request may be tried: how many callbacks are called for it, where they are lost. Default 3. */
  readonly maxTries?: number
  /** How long old runs are kept that no transcript needs. Default: 30 days. */
  readonly keep?: KeepOption
  /** What the keeper writes to stderr, by pino's levels. Default `silent`. */
  readonly logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug'
}

const known = [
  ...stateOptionNames,
  'containment',
  'handleSignals',
  'healthChecks',
  'limits',
  'logger',
  'logLevel',
  'loopTimeout',
  'on',
  'retries',
  'budget',
  'sessionBudget',
  'subagents',
  'breaker',
  'onEnding',
  'maxTries',
  'keep',
  ...boundNames,
]

/** Options as the supervisor's parts take them. `invalid_option` names what is wrong. */
export function parseOptions(options: SupervisorOptions) {
  refuseUnknown('openSupervisor', options, known)
  const defaults: RunDefaults = {
    bounds: parseBounds(options),
    limits: parseLimits(options.limits),
    retries: parseRetries(options.retries),
    sessionBudget: parseSessionBudgets(options.sessionBudget),
    breaker: parseBreaker(options.breaker),
  }
  const checks = parseHealthChecks(options.healthChecks)
  const signals = parseHandleSignals(options.handleSignals)
  const logger = parseLogger(options.logger)
  const endings = parseEndings(options.onEnding)
  const news = new HostNews(logger, options.on ?? {})
  const settings: KeeperSettings = {
    store: storeSettings(options),
    containment: parseContainment(options.containment),
    logLevel: options.logLevel ?? 'silent',
    hostLog: lowestLevel(logger),
    listened: news.names,
    loopTimeout: parseLoopTimeout(options.loopTimeout),
    budget: parseBudget(options.budget),
    subagents: parseSubagents(options.subagents),
    maxTries: parseMaxTries(options.maxTries),
    telling: endings?.settings ?? null,
    keep: parseKeep(options.keep),
  }
  return { settings, defaults, news, checks, signals, endings }
}

function parseContainment(kind: unknown): ContainmentKind | null {
  if (kind === undefined) return null
  const known: readonly unknown[] = containmentKinds
  if (known.includes(kind)) return kind as ContainmentKind
  throw new CoppiceError(
    'invalid_option',
    `containment: ${String(kind)} is none of ${containmentKinds.join(', ')}`,
  )
}
