import { headerOf } from './http-error.js'

/**
 * How long the server asks to be left alone, in milliseconds; null where it does not say. `retry-after-ms` (OpenAI's and
 * Azure's) before `Retry-After`, which is seconds or an HTTP date (RFC 9110, 10.2.3).
 */
export function retryAfterOf(error: unknown, now: number): number | null {
  try {
    return saidOf(error, now)
  } catch {
    // Anything can be thrown, getters that throw included.
    return null
  }
}

function saidOf(error: unknown, now: number): number | null {
  const exact = Number.parseFloat(headerOf(error, 'retry-after-ms') ?? '')
  if (exact >= 0) return exact
  const said = headerOf(error, 'retry-after')
  if (said === null) return null
  if (/^\s*\d+(\.\d+)?\s*$/.test(said)) return Number(said) * 1000
  // Each form of an HTTP date begins with the day's name; Date.parse makes a date of -1 as well.
  const date = /^\s*[a-z]/i.test(said) ? Date.parse(said) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}
