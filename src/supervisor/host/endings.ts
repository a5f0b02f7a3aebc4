import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { ToldEnding, UnfinishedCall } from '../../store/ending-contract.js'
import type { ThrownRecord } from '../../store/records.js'
import type { TellingSettings } from '../keeper-settings.js'
import { refuseUnknown } from './options.js'

/** How a run ended, as `onEnding` is told. */
export interface Ending {
  readonly outcome: Outcome
  /**
   * What the run was for; `pending` where this is not the last that is told of it: the run was lost or never began, and it is
   * to be run again, or another run has it already.
   */
  readonly request: {
    readonly id: string
    readonly payload: unknown
    readonly tries: number
    readonly pending: boolean
  } | null
  /** Requests that were handed to the run while it ran, and that are through with it. */
  readonly messages: readonly { readonly id: string; readonly payload: unknown; readonly tries: number }[]
  /** What the run had as its draft; null for none. */
  readonly draft: unknown
  /** What its callback threw. */
  readonly error: ThrownRecord | null
  /** Calls of a model without a result: each has to get one before the API takes the history again. */
  readonly calls: readonly UnfinishedCall[]
}

export type EndingHandler = (ending: Ending) => unknown

export interface EndingOptions {
  /** An ending is acknowledged when what this returns resolves; where it throws or rejects, it is told again. */
  readonly handle: EndingHandler
  /** Holds the next admission to the session until then: for hosts that write the ending into a transcript of their own. */
  readonly before?: 'next-run'
  /** How long at most. Default 30 s. */
  readonly within?: Duration
}

const longestHold = 60 * 60 * 1000

export interface ParsedEndings {
  readonly handle: EndingHandler
  readonly settings: TellingSettings
}

export function parseEndings(option: unknown): ParsedEndings | null {
  if (option === undefined) return null
  if (typeof option === 'function') return { handle: option as EndingHandler, settings: { hold: null } }
  const options = option as EndingOptions
  refuseUnknown('onEnding', options, ['handle', 'before', 'within'])
  const { handle, before, within } = options
  if (typeof handle !== 'function')
    throw new CoppiceError('invalid_option', 'onEnding: must be a function, or { handle: a function }')
  if (before === undefined) {
    if (within === undefined) return { handle, settings: { hold: null } }
    throw new CoppiceError('invalid_option', 'onEnding: within: goes with before: next-run')
  }
  if (before !== 'next-run')
    throw new CoppiceError('invalid_option', `onEnding: before: ${JSON.stringify(before)} is not next-run`)
  const hold = Math.round(parseDuration('within', within ?? '30s'))
  if (hold > longestHold)
    throw new CoppiceError('invalid_option', `onEnding: within: ${within} is more than 1h`)
  return { handle, settings: { hold } }
}

function viewEnding({ outcome, request, messages, draft, error, calls }: ToldEnding): Ending {
  return {
    outcome,
    request: request === null ? null : { ...request, payload: JSON.parse(request.payload) },
    messages: messages.map((message) => ({ ...message, payload: JSON.parse(message.payload) })),
    draft: draft === null ? null : JSON.parse(draft),
    error,
    calls,
  }
}

/** What the handler makes of an ending: null where it took it, else why not. */
export async function handleEnding(handle: EndingHandler, told: ToldEnding): Promise<string | null> {
  try {
    await handle(viewEnding(told))
    return null
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}
