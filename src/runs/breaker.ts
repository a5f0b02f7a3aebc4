import type { TerminalState } from './states.js'

/**
 * The breaker of a session, as pure steps: how many failures in a row there were, since when it is open, and which run
 * tries the session out. Times are milliseconds since the epoch, durations milliseconds.
 */

/** `failed` too, where it is asked for: the error of a provider says nothing of the session. */
export const countable = [
  'stalled',
  'timed_out',
  'lost',
  'failed',
] as const satisfies readonly TerminalState[]
export type Countable = (typeof countable)[number]

export interface BreakerRules {
  /** How many failures in a row open it. */
  readonly failures: number
  /** From its opening until a run may try the session out. */
  readonly cooldown: number
  readonly counts: readonly Countable[]
}

export interface Breaker {
  /** Of the run that counted last: a run that brings none of its own is judged by them. */
  readonly rules: BreakerRules
  /** In a row. */
  readonly failures: number
  readonly opened: Opened | null
}

export interface Opened {
  readonly since: number
  readonly why: string
  /** From when on a run may try the session out. */
  readonly retryAt: number
  /** The run that does so. */
  readonly trial: string | null
}

export interface EndedTurn {
  readonly run: string
  readonly state: TerminalState
  readonly at: number
}

/** Whether the end of a run may change the breaker of its session at all. */
export function concernsBreaker(
  breaker: unknown | null,
  rules: BreakerRules | null,
  state: TerminalState,
): boolean {
  return breaker !== null || (rules !== null && counts(rules, state))
}

/** What the end of the run that held the session makes of its breaker; null where there is nothing to remember. */
export function afterEnd(
  breaker: Breaker | null,
  ownRules: BreakerRules | null,
  { run, state, at }: EndedTurn,
): Breaker | null {
  const rules = ownRules ?? breaker?.rules ?? null
  if (rules === null) return null
  const opened = breaker?.opened ?? null
  if (!counts(rules, state)) {
    // By its own hand: it did not stall, and nobody had to end it.
    if (state === 'succeeded' || state === 'failed' || breaker === null) return null
    // A trial that was cancelled has shown nothing: the next one may be at once.
    return opened?.trial === run ? { ...breaker, opened: { ...opened, trial: null } } : breaker
  }
  const failures = (breaker?.failures ?? 0) + 1
  const isOpen = opened !== null || failures >= rules.failures
  if (!isOpen) return { rules, failures, opened: null }
  const why = `${failures === 1 ? '1 failure' : `${failures} failures in a row`}, the last of run ${run}, which ended as ${state}`
  return {
    rules,
    failures,
    opened: { since: opened?.since ?? at, why, retryAt: at + rules.cooldown, trial: null },
  }
}

/** What an open breaker says to a run that asks for its session. */
export function isTrialDue({ retryAt, trial }: Opened, at: number): boolean {
  return trial === null && at >= retryAt
}

/**
 * Milliseconds from now until a retry may be worth it. While a trial is under way nobody knows when it ends: where it
 * fails, the next one comes no sooner than after another cooldown.
 */
export function retryAfter({ rules, opened }: Breaker, at: number): number {
  if (opened === null) return 0
  return opened.trial === null ? Math.max(0, opened.retryAt - at) : rules.cooldown
}

export function describeOpened({ since, why, retryAt, trial }: Opened): string {
  const next = trial === null ? `the next trial is at ${iso(retryAt)}` : `run ${trial} tries it out`
  return `open since ${iso(since)}: ${why}; ${next}`
}

function counts({ counts }: BreakerRules, state: TerminalState): boolean {
  return (counts as readonly TerminalState[]).includes(state)
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
