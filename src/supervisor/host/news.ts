import { EventEmitter } from 'node:events'
import { CoppiceError } from '../../errors.js'
import { type EventName, eventNames, type SupervisorEvents } from '../events.js'
import type { EventMessage, LogLine } from '../messages.js'
import { type Logger, writeLine } from './logger.js'
import { refuseUnknown } from './options.js'

export type Listener<Name extends EventName> = (event: SupervisorEvents[Name]) => void

/** A listener for each of some events. */
export type Listeners = { readonly [Name in EventName]?: Listener<Name> }

/** Brings what the keeper tells to the host's logger and to its listeners. What those throw is theirs, and is told. */
export class HostNews {
  readonly #logger: Logger | null
  readonly #emitter = new EventEmitter().setMaxListeners(0)
  #loggerThrew = false
  /** Tells the keeper which events somebody listens to. */
  onInterest: (names: readonly EventName[]) => void = () => {}

  constructor(logger: Logger | null, listeners: Listeners) {
    this.#logger = logger
    refuseUnknown('on', listeners, eventNames)
    for (const name of eventNames) this.#onIfAny(name, listeners)
  }

  on<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#change(name, () => this.#emitter.on(name, listener))
  }

  once<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#change(name, () => this.#emitter.once(name, listener))
  }

  off<Name extends EventName>(name: Name, listener: Listener<Name>): void {
    this.#change(name, () => this.#emitter.off(name, listener))
  }

  /** The events that somebody listens to. */
  get names(): readonly EventName[] {
    return eventNames.filter((name) => this.#emitter.listenerCount(name) > 0)
  }

  receive(message: LogLine | EventMessage): void {
    if (message.type === 'event') this.#tell(message)
    else if (this.#logger !== null) {
      try {
        writeLine(this.#logger, message)
      } catch (error) {
        // Once: one that throws is likely to throw at every line.
        if (!this.#loggerThrew) warn('the logger of a supervisor threw', error)
        this.#loggerThrew = true
      }
    }
  }

  /** Not by `emit`: what one listener throws is no reason to keep the news from the others, or to end the process. */
  #tell({ name, event }: EventMessage): void {
    for (const listener of this.#emitter.rawListeners(name)) {
      try {
        const returned: unknown = listener.call(this.#emitter, event)
        if (returned instanceof Promise) returned.catch((error) => this.#threw(name, error))
      } catch (error) {
        this.#threw(name, error)
      }
    }
    // One that listened once has gone by now.
    if (this.#emitter.listenerCount(name) === 0) this.#tellInterest()
  }

  #threw(name: EventName, error: unknown): void {
    const what = `a listener to ${name} threw`
    try {
      if (this.#logger === null) warn(what, error)
      else this.#logger.error({ event: name, err: error }, what)
    } catch {
      warn(what, error)
    }
  }

  #change(name: EventName, change: () => void): void {
    if (!eventNames.includes(name)) {
      throw new CoppiceError(
        'invalid_option',
        `there is no event ${name} (there are ${eventNames.join(', ')})`,
      )
    }
    const before = this.#emitter.listenerCount(name)
    change()
    if ((before === 0) !== (this.#emitter.listenerCount(name) === 0)) this.#tellInterest()
  }

  #onIfAny<Name extends EventName>(name: Name, listeners: Listeners): void {
    const listener: Listener<Name> | undefined = listeners[name]
    if (listener !== undefined) this.on(name, listener)
  }

  #tellInterest(): void {
    this.onInterest(this.names)
  }
}

function warn(what: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(what, { type: 'CoppiceWarning', detail })
}
