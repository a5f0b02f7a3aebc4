import { isCoppiceError, toErrorMessage } from '../../errors.js'
import type { LogLevel } from '../keeper-settings.js'
import type { LoggedError, SendToHost } from '../messages.js'
import type { Log } from './log.js'

/** Lines on their way to a host that has not taken them: its loop is blocked, or it is slower than what happens. */
const most = 1000

/**
 * What the host's own logger is to write. It lives in the host's thread, so a line waits in the port while that is
 * blocked; of more than there is room for the number alone is told.
 */
export class HostLog implements Log {
  readonly #supervisor: string
  readonly #send: SendToHost
  readonly #lowest: LogLevel
  #onTheWay = 0
  #dropped = 0

  constructor(supervisor: string, lowest: LogLevel, send: SendToHost) {
    this.#supervisor = supervisor
    this.#lowest = lowest
    this.#send = send
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message)
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message)
  }

  /** The host has written so many of them. */
  taken(count: number): void {
    this.#onTheWay -= count
    this.#tellDropped()
  }

  #write(level: LogLevel, fields: object, message: string): void {
    if (ranks[level] < ranks[this.#lowest]) return
    if (this.#onTheWay >= most) this.#dropped += 1
    else this.#post(level, fields, message)
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return
    const dropped = this.#dropped
    this.#dropped = 0
    this.#post('warn', { dropped }, 'the host was too slow for its log: lines were left out')
  }

  #post(level: LogLevel, given: object, message: string): void {
    const { err, ...fields } = given as { readonly err?: unknown }
    this.#onTheWay += 1
    const error = err === undefined ? null : loggedError(err)
    const line = { supervisor: this.#supervisor, at: Date.now(), level, fields, error, message }
    this.#send({ type: 'log', ...line })
  }
}

/** A log that writes to each of these. */
export function tee(logs: readonly Log[]): Log {
  const [first, ...others] = logs
  if (first !== undefined && others.length === 0) return first
  const each = (write: (log: Log) => void) => logs.forEach(write)
  return {
    debug: (fields, message) => each((log) => log.debug(fields, message)),
    info: (fields, message) => each((log) => log.info(fields, message)),
    warn: (fields, message) => each((log) => log.warn(fields, message)),
    error: (fields, message) => each((log) => log.error(fields, message)),
  }
}

const ranks: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50 }

/** An error of whatever kind may hold what cannot cross to another thread. */
function loggedError(error: unknown): LoggedError {
  if (isCoppiceError(error)) return { coppice: toErrorMessage(error), stack: error.stack ?? null }
  if (!(error instanceof Error)) return { name: typeof error, message: String(error), stack: null }
  return { name: error.name, message: error.message, stack: error.stack ?? null }
}
