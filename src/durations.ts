import ms, { type StringValue } from 'ms'
import { CoppiceError } from './errors.js'

/** `'5s'`, `'2m'`, `'1.5h'`, or milliseconds as a number. */
export type Duration = StringValue | number

/** A duration in milliseconds; `invalid_option` naming the option where it is none. */
export function parseDuration(option: string, value: Duration | string): number {
  const parsed = typeof value === 'number' ? value : parseText(value)
  if (Number.isNaN(parsed) || parsed < 0) {
    throw new CoppiceError(
      'invalid_option',
      `${option}: ${show(value)} is no duration (write 500ms, 5s, 2m or 1h)`,
    )
  }
  return parsed
}

function parseText(value: string): number {
  if (value === 'Infinity') return Number.POSITIVE_INFINITY
  // ms() throws for an empty string and for one of over 100 characters, and answers undefined for other nonsense.
  if (typeof value !== 'string' || value.length === 0 || value.length > 100) return Number.NaN
  return (ms as (text: string) => number | undefined)(value) ?? Number.NaN
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
