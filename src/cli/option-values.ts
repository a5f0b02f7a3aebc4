import { InvalidArgumentError } from 'commander'
import { type Duration, parseDuration } from '../durations.js'
import { parseSize } from '../sizes.js'

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

export function size(value: string): number {
  const advice = 'Write a size such as 512KB, 64MB or 1.5GB.'
  // A bare number is bytes to the library; on a command line it is more likely a mistake.
  if (/^[\d.]*$/.test(value)) throw new InvalidArgumentError(advice)
  try {
    return parseSize('size', value)
  } catch {
    throw new InvalidArgumentError(advice)
  }
}

export function share(value: string): number {
  const number = Number(value)
  if (value === '' || !(number > 0))
    throw new InvalidArgumentError('Write a number above 0, such as 0.5 or 2.')
  return number
}
