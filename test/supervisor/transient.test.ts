import { describe, expect, test } from 'vitest'
import { CoppiceError } from '#src/errors.js'
import { retryAfterOf } from '#src/supervisor/host/retry-after.js'
import { isTransient } from '#src/supervisor/host/transient.js'

const error = (fields: object, cause?: unknown) =>
  Object.assign(new Error('failed', cause === undefined ? {} : { cause }), fields)

const deep = (depth: number): Error =>
  depth === 0 ? error({ code: 'ECONNRESET' }) : error({}, deep(depth - 1))

class APIConnectionError extends Error {}
class APIUserAbortError extends Error {}

const hostile = new Proxy(new Error(), {
  get() {
    throw new Error('not to be read')
  },
})
const ring: { cause?: unknown } = {}
ring.cause = ring

describe('case 21: errors after which the same call may succeed', () => {
  test.each<readonly [string, unknown]>([
    ...[408, 409, 429, 500, 502, 503, 504, 529].map(
      (status) => [`status ${status}`, error({ status })] as const,
    ),
    ['statusCode', error({ statusCode: 503 })],
    ['response.status', error({ code: 'ERR_BAD_RESPONSE', response: { status: 503 } })],
    ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'UND_ERR_SOCKET'].map(
      (code) => [code, error({ code })] as const,
    ),
    ['a code below', error({}, error({}, error({ code: 'UND_ERR_BODY_TIMEOUT' })))],
    ['a connection error of an SDK', new APIConnectionError('Connection error.')],
    ['a time-out of its own', new DOMException('too slow', 'TimeoutError')],
    ['an attempt’s time-out', new CoppiceError('attempt_timed_out', 'too slow')],
    ['an overload in a stream', error({ status: undefined, error: { error: { type: 'overloaded_error' } } })],
    ['a server’s error in a stream', error({ type: 'server_error' })],
    ['x-should-retry', error({ status: 400, headers: new Headers({ 'x-should-retry': 'true' }) })],
  ])('%s', (_, thrown) => {
    expect(isTransient(thrown)).toBe(true)
  })
})

describe('case 21: errors that would come again', () => {
  test.each<readonly [string, unknown]>([
    ...[400, 401, 403, 404, 413, 422].map((status) => [`status ${status}`, error({ status })] as const),
    ['a status before what lies below', error({ status: 400 }, error({ code: 'ECONNRESET' }))],
    ['no such host', error({ code: 'ENOTFOUND' })],
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['an abort, whatever lies below', error({ name: 'AbortError' }, error({ code: 'ECONNRESET' }))],
    ['a code far below', deep(20)],
    ['an abort of an SDK', new APIUserAbortError('Request was aborted.')],
    ['the run’s time-out', new CoppiceError('run_timed_out', 'too slow')],
    ['the run’s end below', error({}, new CoppiceError('run_cancelled', 'enough'))],
    ['a bug', new TypeError('x is not a function')],
    ['x-should-retry', error({ status: 529, headers: { 'X-Should-Retry': 'false' } })],
    ['a text', 'ECONNRESET'],
    ['nothing', undefined],
    ['one that cannot be read', hostile],
    ['a ring', ring],
  ])('%s', (_, thrown) => {
    expect(isTransient(thrown)).toBe(false)
  })
})

describe('case 21: how long the server asks to be left alone', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  test.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }, 60_000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
    [{ 'retry-after': 'later' }, null],
    [{ 'retry-after': '-1' }, null],
    [{ 'retry-after-ms': 'x' }, null],
    [{}, null],
  ])('%j', (headers, pause) => {
    expect(retryAfterOf({ headers: new Headers(headers as Record<string, string>) }, now)).toBe(pause)
    expect(retryAfterOf({ responseHeaders: headers }, now)).toBe(pause)
    expect(retryAfterOf({ response: { headers } }, now)).toBe(pause)
  })

  test('a record’s names are in any case, and what cannot be read says nothing', () => {
    expect(retryAfterOf({ headers: { 'Retry-After': 2 } }, now)).toBe(2_000)
    expect(retryAfterOf(hostile, now)).toBe(null)
    expect(retryAfterOf(undefined, now)).toBe(null)
  })
})
