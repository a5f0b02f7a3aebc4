import type { ThrownRecord } from '../../store/contract.js'

/**
 * What the transcript keeps of an error that a callback threw: the name, the message, and the HTTP status or
 * error code that SDKs, fetch wrappers and Node put on theirs.
 */
export function thrownRecord(error: unknown): ThrownRecord {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) }
  const { name, message } = error
  const { status, statusCode, code } = error as { status?: unknown; statusCode?: unknown; code?: unknown }
  const told = [status, statusCode, code].find(
    (value) => typeof value === 'number' || typeof value === 'string',
  )
  return { name, message, ...(told === undefined ? {} : { status: told as number | string }) }
}
