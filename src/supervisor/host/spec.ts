import type { Limits } from '../../containment/limits.js'
import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { newIdentifier } from '../../identifiers.js'
import type { BreakerRules } from '../../runs/breaker.js'
import type { RunRequest } from '../calls.js'
import { parseRetries } from './attempt-options.js'
import { type BreakerOptions, parseBreaker } from './breaker-options.js'
import type { SessionBudgets } from './budget-options.js'
import type { ExecDefaults } from './exec-options.js'
import { toJson } from './json-text.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { type BoundOptions, boundNames, parseBounds, refuseUnknown } from './options.js'

/** What a run is to be. */
export interface RunSpec extends BoundOptions {
  /** Whose lock it holds; without it the run locks nothing. */
  readonly session?: string
  /**
   * What the run is started for: an id, unique per session, and any JSON value. It is stored before anything else, and the
   * same id again is the same request: see `RunHandle.accepted`. One that is stored already needs no payload, and keeps its own.
   */
  readonly request?: { readonly id: string; readonly payload?: unknown }
  /** Whether its ending is told to `onEnding` though it has no request. Default false. */
  readonly tell?: boolean
  /**
   * What to do where the session is held: wait in its queue (the default), be refused at once, or have the holder end
   * as `interrupted` and be the next, before all that wait, or hand the request to the holder, whose `inbox` it is in then.
   */
  readonly ifBusy?: 'wait' | 'refuse' | 'interrupt' | 'deliver'
  /** How long to wait for the session. By default as long as the holders' own bounds allow; 0 refuses at once. */
  readonly wait?: Duration
  /** Interactive runs, the default, are admitted before background ones. */
  readonly priority?: 'interactive' | 'background'
  /** The id of the run that it is a subagent of. `run.subagent` sets it. */
  readonly parent?: string
  /** Aborting it cancels the run. */
  readonly signal?: AbortSignal
  /** Names and values to find the run by. */
  readonly labels?: Readonly<Record<string, string>>
  /** What each of its trees may take. */
  readonly limits?: LimitOptions
  /** How often its calls of `attempt` may try again, all together. Default 100. */
  readonly retries?: number
  /** When its session refuses runs for a while, because so many have failed; false for never. Default: the supervisor's. */
  readonly breaker?: BreakerOptions | false
}

const known = [
  'session',
  'request',
  'tell',
  'ifBusy',
  'wait',
  'priority',
  'parent',
  'signal',
  'labels',
  'limits',
  'retries',
  'breaker',
  ...boundNames,
]

export interface ParsedSpec {
  readonly request: RunRequest
  readonly signal: AbortSignal | null
  /** Of each of its trees. */
  readonly limits: Limits
  readonly retries: number
}

/** What runs get that ask for nothing else. */
export interface RunDefaults extends ExecDefaults {
  readonly retries: number
  readonly sessionBudget: SessionBudgets
  readonly breaker: BreakerRules | null
}

export function parseSpec(spec: RunSpec, defaults: RunDefaults): ParsedSpec {
  refuseUnknown('run', spec, known)
  const { session, request, labels, signal, parent } = spec
  const { waiting, ...sessionBudget } = defaults.sessionBudget(spec.session ?? null)
  return {
    signal: signal ?? null,
    limits: parseLimits(spec.limits, defaults.limits),
    retries: parseRetries(spec.retries, defaults.retries),
    request: {
      run: newIdentifier('r'),
      session: session === undefined ? null : parseName('session', session),
      parent: parent === undefined ? null : parseName('parent', parent),
      request:
        request === undefined
          ? null
          : { id: parseName('request.id', request.id), payload: payloadOf(request) },
      delivers: parseDelivers(spec),
      tells: spec.tell ?? false,
      priority: oneOf('priority', spec.priority ?? 'interactive', ['interactive', 'background']),
      labels: labels === undefined ? null : JSON.stringify(labels),
      bounds: parseBounds(spec, defaults.bounds),
      wait: parseWait(spec),
      interrupts: spec.ifBusy === 'interrupt',
      maxWaiters: waiting,
      sessionBudget,
      breaker: spec.breaker === undefined ? defaults.breaker : parseBreaker(spec.breaker),
    },
  }
}

function parseWait({ ifBusy, wait }: RunSpec): number | null {
  const atOnce = oneOf('ifBusy', ifBusy ?? 'wait', ['wait', 'refuse', 'interrupt', 'deliver']) === 'refuse'
  if (atOnce && wait !== undefined)
    throw new CoppiceError('invalid_option', 'wait: does not go with ifBusy: refuse')
  if (atOnce) return 0
  return wait === undefined ? null : parseDuration('wait', wait)
}

function parseDelivers({ ifBusy, request, session }: RunSpec): boolean {
  if (ifBusy !== 'deliver') return false
  if (request !== undefined && session !== undefined) return true
  const missing = request === undefined ? 'request' : 'session'
  throw new CoppiceError('invalid_option', `ifBusy: deliver needs a ${missing}`)
}

function payloadOf({ payload }: NonNullable<RunSpec['request']>): string | null {
  return payload === undefined ? null : toJson('request.payload', payload)
}

function parseName(option: string, name: unknown): string {
  if (typeof name === 'string' && name !== '' && name.length <= 1000 && !name.includes('\0')) return name
  throw new CoppiceError('invalid_option', `${option}: must be a text of 1 to 1000 characters, without NUL`)
}

function oneOf<T extends string>(option: string, value: T, values: readonly T[]): T {
  if (values.includes(value)) return value
  throw new CoppiceError(
    'invalid_option',
    `${option}: ${JSON.stringify(value)} is none of ${values.join(', ')}`,
  )
}
