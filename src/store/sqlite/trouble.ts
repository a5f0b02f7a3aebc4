/** What went wrong in SQLite, in coppice's words. Codes: https://www.sqlite.org/rescode.html */
import { CoppiceError } from '../../errors.js'

/** Primary result codes; the low byte of the extended ones. */
const busy = 5
const locked = 6
const readOnly = 8
const ioError = 10
const corrupt = 11
const full = 13
const cannotOpen = 14
const protocol = 15
const notADatabase = 26

/** Somebody else has the file for now: a writer, a recovery, or the race for a lock that is called `protocol`. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error)
  return code === busy || code === locked || code === protocol
}

/** SQLITE_READONLY_ROLLBACK: somebody was killed while writing, and a connection that only reads cannot undo it. */
export function wantsRollback(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 776
}

/** `error` as `store_unavailable` where it is the store's trouble, else as it is: then it is a bug of ours. */
export function asStoreTrouble(error: unknown, path: string): unknown {
  const code = primaryCode(error)
  const what = code === undefined ? undefined : sentences[code]
  return what === undefined ? error : unavailable(path, `the state file ${path} ${what}`, error)
}

export function unavailable(path: string, message: string, cause?: unknown): CoppiceError {
  return new CoppiceError('store_unavailable', message, cause === undefined ? { path } : { path, cause })
}

const lockedByAnother = 'is locked by another program: end it, or wait until it is done'

const sentences: Record<number, string> = {
  [busy]: lockedByAnother,
  [locked]: lockedByAnother,
  [protocol]: lockedByAnother,
  [readOnly]: 'cannot be written: it and its folder must be writable by this user',
  [ioError]: 'cannot be read or written: its disk reports an error',
  [corrupt]: 'is damaged: put a backup in its place, or move it away to start afresh',
  [full]: 'cannot grow: its disk or quota is full',
  [cannotOpen]: 'cannot be opened: it and its folder must be writable by this user',
  [notADatabase]: 'is not a database: choose another path for the state',
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode & 0xff
}
