import { CoppiceError } from '../../errors.js'

/** A value as JSON text; `invalid_option` where it is none. `what` is what a message calls it. */
export function toJson(what: string, value: unknown): string {
  try {
    const text = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (cause) {
    throw new CoppiceError('invalid_option', `${what}: cannot be written as JSON`, { cause })
  }
  throw new CoppiceError('invalid_option', `${what}: ${typeof value} is no JSON value`)
}
