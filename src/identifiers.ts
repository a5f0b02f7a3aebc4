import { randomInt } from 'node:crypto'

/**
 * Names that sort by time and that two machines never give twice: the millisecond in base 36 (nine digits until
 * the year 5188), then 41 random bits.
 */
export function newIdentifier(prefix: string): string {
  return `${prefix}${Date.now().toString(36)}${randomInt(2 ** 41)
    .toString(36)
    .padStart(8, '0')}`
}
