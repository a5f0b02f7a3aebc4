import { fileURLToPath } from 'node:url'
import { CoppiceError } from '../errors.js'

/** The file that a location names. Throws `invalid_option` for one of another kind. */
export function pathOfState(location: string): string {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase()
  if (location === '') throw new CoppiceError('invalid_option', 'no state is named: give the path of a file')
  if (scheme === undefined) return location
  if (scheme === 'file') return pathOf(location)
  // What follows the scheme stays out of the message: a URL may have a password in it.
  throw new CoppiceError(
    'invalid_option',
    `a state of the kind ${scheme}: is not supported by this version: give the path of a file`,
  )
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new CoppiceError(
      'invalid_option',
      `the state ${url} names no file of this machine: give its path`,
      {
        cause,
      },
    )
  }
}
