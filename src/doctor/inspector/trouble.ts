import { isCoppiceError } from '../../errors.js'
import type { Trouble } from '../inspection.js'

export function troubleOf(error: unknown): Trouble {
  if (isCoppiceError(error)) return { code: error.code, message: error.message }
  const { code = 'unknown', message } = error as NodeJS.ErrnoException
  return { code, message }
}
