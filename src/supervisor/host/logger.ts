import { CoppiceError, fromErrorMessage } from '../../errors.js'
import type { LogLevel } from '../keeper-settings.js'
import type { LoggedError, LogLine } from '../messages.js'

/** A logger of the host's: pino's, or one that does as much. */
export interface Logger {
  child(bindings: Record<string, unknown>): Logger
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** Where there is one, lines that nobody would see are not sent for. Asked once, at open. */
  isLevelEnabled?(level: string): boolean
}

/** Milliseconds. */
const worthTelling = 100

const levels = ['debug', 'info', 'warn', 'error'] as const satisfies readonly LogLevel[]

export function parseLogger(logger: Logger | undefined): Logger | null {
  if (logger === undefined) return null
  const methods: ReadonlyArray<keyof Logger> = ['child', ...levels]
  const missing = methods.find((name) => typeof logger?.[name] !== 'function')
  if (missing === undefined) return logger
  throw new CoppiceError('invalid_option', `logger: has no method ${missing} (any logger of pino's has)`)
}

/** The lowest level that it writes; null where it writes none. */
export function lowestLevel(logger: Logger | null): LogLevel | null {
  if (logger === null) return null
  return levels.find((level) => logger.isLevelEnabled?.(level) ?? true) ?? null
}

/** Writes a line through a child for what it is about. */
export function writeLine(logger: Logger, { supervisor, level, at, fields, error, message }: LogLine): void {
  const { run, session, tree, ...rest } = fields as Record<string, unknown>
  const about = Object.entries({ supervisor, run, session, tree }).filter(([, value]) => value != null)
  const line: Record<string, unknown> = error === null ? rest : { ...rest, err: toError(error) }
  // A logger writes down when it writes; that is not when it happened where the event loop was blocked meanwhile.
  const lateMs = Date.now() - at
  if (lateMs >= worthTelling) line.lateMs = lateMs
  logger.child(Object.fromEntries(about))[level](line, message)
}

function toError(logged: LoggedError): Error {
  const error =
    'coppice' in logged
      ? fromErrorMessage(logged.coppice)
      : Object.assign(new Error(logged.message), { name: logged.name })
  // Where it happened, and not where it was told.
  if (logged.stack !== null) error.stack = logged.stack
  return error
}
