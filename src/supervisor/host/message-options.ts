import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import type { KeepSettings } from '../keeper-settings.js'
import { refuseUnknown } from './options.js'

/** What of old runs is kept. Never forgotten are entries, runs with entries, pending requests, and endings nobody was told. */
export type KeepOption =
  | Duration
  | {
      /** Since its end. Default 30 days; `Infinity` for ever. */
      readonly age?: Duration
      /** The newest so many runs at most. Default: any number. */
      readonly number?: number
    }

const day = 24 * 60 * 60 * 1000
const defaultKeep: KeepSettings = { age: 30 * day, number: null }
const defaultTries = 3

export function parseKeep(option: KeepOption | undefined): KeepSettings {
  if (option === undefined) return defaultKeep
  if (typeof option !== 'object') return { age: parseDuration('keep', option), number: null }
  refuseUnknown('keep', option, ['age', 'number'])
  const { age, number } = option
  if (number !== undefined && !(Number.isInteger(number) && number >= 0))
    throw new CoppiceError('invalid_option', `keep.number: ${String(number)} is no whole number from 0 on`)
  return {
    age: age === undefined ? defaultKeep.age : parseDuration('keep.age', age),
    number: number ?? null,
  }
}

export function parseMaxTries(option: unknown): number {
  if (option === undefined) return defaultTries
  if (option === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER
  if (Number.isSafeInteger(option) && (option as number) > 0) return option as number
  throw new CoppiceError('invalid_option', `maxTries: ${String(option)} is no whole number from 1 on`)
}

/** For those who end no run and forget none. */
export const withoutMessages = {
  maxTries: defaultTries,
  telling: null,
  keep: { age: Number.POSITIVE_INFINITY, number: null },
} as const
