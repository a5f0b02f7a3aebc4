import { settlesWithin } from '../../timers.js'

/** The part of pino that the keeper uses. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface OpenLog {
  readonly log: Log
  /** Writes what is left, as far as somebody reads it. */
  close(): Promise<void>
}

/** Bytes that wait for a reader who is slow; what comes on top is dropped. */
const most = 1024 * 1024
/** Milliseconds that a close waits for such a reader. */
const flushBound = 200

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * The keeper writes to a descriptor of its own: a worker's console goes through the main thread, and would fall
 * silent just when the host's loop is blocked. Never synchronously: a full pipe that nobody reads would stop the
 * keeper, and every bound with it.
 */
export async function openLog(level: string): Promise<OpenLog> {
  if (level === 'silent') return { log: silent, close: async () => {} }
  const { pino } = await import('pino')
  const destination = pino.destination({ fd: 2, sync: false, maxLength: most })
  // A full disk, or nobody who reads any more: neither is a reason to end.
  destination.on('error', () => {})
  const log = pino({ name: 'coppice', level, base: null }, destination) as Log
  const flush = () => new Promise<void>((resolve) => destination.flush(() => resolve()))
  return { log, close: async () => void (await settlesWithin(flushBound, flush())) }
}
