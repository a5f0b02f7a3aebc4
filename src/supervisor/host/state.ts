import { join } from 'node:path'
import { runtimeDirectory, stateDirectory } from '../../containment/processes/directories.js'
import { type Duration, parseDuration } from '../../durations.js'
import type { StoreSettings } from '../messages.js'

export interface StateOptions {
  /** The store: a file, created where it is missing. Default: `coppice.db` in the user's state directory. */
  readonly state?: string
  /** How long a lease lives without renewal. Default 30 s. */
  readonly ttl?: Duration
  /** Where the supervisor's socket lives. Default: a folder of the user's in the system's runtime directory. */
  readonly runtimeDir?: string
}

export const stateOptionNames = ['state', 'ttl', 'runtimeDir'] as const

/** Where the state is, from the options, the environment, or the system's conventions. */
export function storeSettings({ state, ttl, runtimeDir }: StateOptions): StoreSettings {
  return {
    location: state ?? join(stateDirectory(process.env), 'coppice.db'),
    ttl: ttl === undefined ? 30_000 : parseDuration('ttl', ttl),
    runtimeDir: runtimeDir ?? runtimeDirectory(process.env),
    observe: false,
  }
}
