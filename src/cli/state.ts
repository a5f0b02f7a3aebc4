import { stat } from 'node:fs/promises'
import { storeSettings } from '../supervisor/host/state.js'

interface State {
  readonly state?: string
}

/** Where the state is, for a command: the option, else the environment, else the library's default. */
export function stateOption({ state }: State): State {
  const location = state ?? (process.env.COPPICE_STATE || undefined)
  return location === undefined ? {} : { state: location }
}

/** False only where a state file would first have to be created: a command that looks or cancels creates none. */
export async function stateExists(state: State): Promise<boolean> {
  const { location } = storeSettings(state)
  // One letter is a drive of Windows.
  if (/^[a-z][a-z0-9+.-]+:/i.test(location)) return true
  return stat(location).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
}

/** The option again, for a command that this one starts; the environment goes on by itself. */
export function stateArguments({ state }: State): string[] {
  return state === undefined ? [] : ['--state', state]
}
