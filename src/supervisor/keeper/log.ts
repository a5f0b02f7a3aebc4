/** The part of pino that the keeper uses. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * The keeper writes to a descriptor of its own, synchronously: a worker's console goes through the main thread,
 * and would fall silent just when the host's loop is blocked.
 */
export async function openLog(level: string): Promise<Log> {
  if (level === 'silent') return silent
  const { pino } = await import('pino')
  return pino({ name: 'coppice', level, base: null }, pino.destination({ fd: 2, sync: true })) as Log
}
