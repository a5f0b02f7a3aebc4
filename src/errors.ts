/**
 * The one error class of coppice. A failure that a caller can act on is a `CoppiceError` with a `code` from a
 * closed union; everything else that is thrown is a bug or belongs to the caller.
 */

export type ErrorCode =
  | 'session_busy'
  | 'queue_full'
  | 'breaker_open'
  | 'deadlock'
  | 'subagent_limit'
  | 'request_exhausted'
  | 'request_duplicate'
  | 'run_cancelled'
  | 'run_timed_out'
  | 'run_stalled'
  | 'run_lost'
  | 'run_ended'
  | 'wait_timed_out'
  | 'attempt_timed_out'
  | 'command_not_found'
  | 'command_not_executable'
  | 'launch_failed'
  | 'store_unavailable'
  | 'store_too_new'
  | 'invalid_option'
  | 'supervisor_closed'

/** What a person needs beside the message; each code fills those that it knows. */
export interface ErrorDetails {
  /** The run that the error is about. */
  readonly run?: string
  /** The session that the error is about. */
  readonly session?: string | null
  /** The run that holds the session. */
  readonly holder?: string
  /** The supervisor that the holder is of. */
  readonly supervisor?: string
  /** Since when the holder holds it, or the breaker is open, ISO 8601. */
  readonly since?: string
  /** How many runs wait for the session. */
  readonly queueLength?: number
  /** Of a deadlock: the runs of the ring, each waiting for what the next holds. */
  readonly ring?: readonly string[]
  /** Why the breaker is open. */
  readonly why?: string
  /** Which limit was reached, how much it allows, and how many there are. */
  readonly limit?: { readonly name: string; readonly most: number; readonly count: number }
  /** How often its request was tried, of `request_exhausted`. */
  readonly tries?: number
  /** When a retry is worth it, in milliseconds from now. */
  readonly retryAfterMs?: number
  /** The file, folder, command or URL that the error is about; a URL without its password. */
  readonly path?: string
  /** For a command whose run ended under it: what became of the command, an `ExecResult`. */
  readonly exec?: unknown
}

export interface CoppiceError extends ErrorDetails {}

/**
 * `name` is `AbortError` for what was cancelled and `TimeoutError` for what ran out of time, because that is
 * how SDKs and `fetch` recognise the two when the error is an `AbortSignal`'s reason.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: every field of ErrorDetails is optional and set by Object.assign
export class CoppiceError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: ErrorDetails & { cause?: unknown } = {}) {
    const { cause, ...details } = options
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.name = names[code] ?? 'CoppiceError'
    Object.assign(this, details)
  }
}

const names: Partial<Record<ErrorCode, string>> = {
  run_cancelled: 'AbortError',
  run_timed_out: 'TimeoutError',
  run_stalled: 'TimeoutError',
  wait_timed_out: 'TimeoutError',
  attempt_timed_out: 'TimeoutError',
}

/** True for a `CoppiceError`, and only for one with this code where a code is given. */
export function isCoppiceError(error: unknown, code?: ErrorCode): error is CoppiceError {
  return error instanceof CoppiceError && (code === undefined || error.code === code)
}

/** An error in a form that survives a message between threads, where classes are lost. */
export interface ErrorMessage {
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
  readonly cause?: unknown
}

export function toErrorMessage(error: CoppiceError): ErrorMessage {
  const { code, message, cause, name: _name, stack: _stack, ...details } = error
  return { code, message, details, ...(cause === undefined ? {} : { cause: cloneable(cause) }) }
}

/** Without a stack: it would show how messages are received, and a run that is never forgotten would keep a kilobyte of it. */
export function fromErrorMessage({ code, message, details, cause }: ErrorMessage): CoppiceError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new CoppiceError(code, message, cause === undefined ? details : { ...details, cause })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** A cause may hold anything, sockets and functions too; what cannot cross is told by its text. */
function cloneable(cause: unknown): unknown {
  try {
    return structuredClone(cause)
  } catch {
    return String(cause)
  }
}
