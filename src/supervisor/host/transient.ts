import { CoppiceError } from '../../errors.js'
import { fieldsOf, headerOf, statusOf } from './http-error.js'

/** 409 as well: model APIs answer it where a lock timed out, and their own SDKs try again. */
const statuses: readonly number[] = [408, 409, 429]

/** Of Node's sockets and name look-ups, and of undici, which is Node's fetch. */
const codes: readonly unknown[] = [
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]

/** What a model API says within a stream that it began with 200: the SDK's error then bears no status. */
const types: readonly unknown[] = [
  'overloaded_error',
  'api_error',
  'rate_limit_error',
  'timeout_error',
  'server_error',
]

/** A cause of a cause of a cause; deeper than any client nests, and an end for a ring. */
const deepest = 5

/**
 * Whether the same call may succeed a moment later: 408, 409, 429 and 5xx, a connection that failed or broke, a
 * time-out, an overload told in the middle of a stream. Never an abort, nor any other error of coppice's. What the server
 * says in `x-should-retry` goes before its status.
 */
export function isTransient(error: unknown): boolean {
  try {
    return isTransientAt(error, 0)
  } catch {
    // Anything can be thrown, getters that throw included.
    return false
  }
}

function isTransientAt(error: unknown, depth: number): boolean {
  if (error instanceof CoppiceError) return error.code === 'attempt_timed_out'
  const { name, code, cause, type, error: body } = fieldsOf(error)
  if (name === 'AbortError') return false
  const wish = headerOf(error, 'x-should-retry')
  if (wish === 'true' || wish === 'false') return wish === 'true'
  const status = statusOf(error)
  if (status !== null && status >= 400) return statuses.includes(status) || status >= 500
  const told = [type, fieldsOf(body).type, fieldsOf(fieldsOf(body).error).type]
  return (
    name === 'TimeoutError' ||
    codes.includes(code) ||
    told.some((one) => types.includes(one)) ||
    isConnectionError(error) ||
    (depth < deepest && cause !== undefined && isTransientAt(cause, depth + 1))
  )
}

/** Both SDKs' class for a request without an answer; it has neither a status nor a name of its own. */
function isConnectionError(error: unknown): boolean {
  return error instanceof Error && /^APIConnection(Timeout)?Error$/.test(error.constructor.name)
}
