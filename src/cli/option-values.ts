import { InvalidArgumentError } from 'commander'
import { type Duration, parseDuration } from '../durations.js'

/** Parsers of option values: each throws what commander turns into one line with the option and the value. */

export function duration(value: string): Duration {
  // A bare number is milliseconds to the library; on a command line it is more likely meant as seconds.
  if (/^\d+(\.\d+)?$/.test(value) && Number(value) !== 0) {
    throw new InvalidArgumentError('Write the unit: 500ms, 5s, 2m or 1h.')
  }
  try {
    return parseDuration('duration', value)
  } catch {
    throw new InvalidArgumentError('Write a duration such as 500ms, 5s, 2m or 1h.')
  }
}

export function text(value: string): string {
  if (value === '') throw new InvalidArgumentError('It must not be empty.')
  return value
}

export function count(value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('Write a whole number from 1 on.')
  return number
}

export function notYet(): never {
  throw new InvalidArgumentError('The containment of this version (group) cannot hold to it.')
}
