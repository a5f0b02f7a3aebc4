import type { ThrownRecord } from '../../store/records.js'

/**
 * What the transcript keeps of an error that a callback threw: the name, the message, and the HTTP status or
 * error code that SDKs, fetch wrappers and Node put on theirs; fetch says only in the cause what failed. Anything can be
 * thrown, getters that throw included; nothing of that may keep a run from ending.
 */
export function thrownRecord(error: unknown): ThrownRecord {
  try {
    if (!(error instanceof Error)) return { name: typeof error, message: String(error) }
    const { status, statusCode, code } = error as { status?: unknown; statusCode?: unknown; code?: unknown }
    const below = (error.cause as { code?: unknown } | null | undefined)?.code
    const told = [status, statusCode, code, below].find(
      (value) => typeof value === 'number' || typeof value === 'string',
    )
    const record = { name: String(error.name), message: String(error.message) }
    return told === undefined ? record : { ...record, status: told as number | string }
  } catch {
    return { name: typeof error, message: 'an error that cannot be told' }
  }
}
