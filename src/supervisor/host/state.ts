import { join } from 'node:path'
import { runtimeDirectory, stateDirectory } from '../../containment/processes/directories.js'
import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import type { StoreSettings } from '../keeper-settings.js'
import { goneSupervisors } from './gone.js'

export interface StateOptions {
  /** The store: a file, created where it is missing. Default: `coppice.db` in the user's state directory. */
  readonly state?: string
  /** How long a lease lives without renewal. Default 30 s. */
  readonly ttl?: Duration
  /** Where the supervisor's socket lives. Default: a folder of the user's in the system's runtime directory. */
  readonly runtimeDir?: string
}

/** How long a lease may live: shorter ones would be renewed all the time, longer ones never end. */
const shortestTtl = 1000
const longestTtl = 24 * 60 * 60 * 1000

export const stateOptionNames = ['state', 'ttl', 'runtimeDir'] as const

/** Where the state is, from the options, the environment, or the system's conventions. */
export function storeSettings({ state, ttl, runtimeDir }: StateOptions): StoreSettings {
  return {
    location: state ?? join(stateDirectory(process.env), 'coppice.db'),
    ttl: parseTtl(ttl ?? 30_000),
    runtimeDir: runtimeDir ?? runtimeDirectory(process.env),
    gone: goneSupervisors(),
    observe: false,
  }
}

function parseTtl(ttl: Duration): number {
  const parsed = Math.round(parseDuration('ttl', ttl))
  if (parsed >= shortestTtl && parsed <= longestTtl) return parsed
  throw new CoppiceError('invalid_option', `ttl: ${ttl} is not between 1s and 24h`)
}
