import { dieOf, onPoliteSignal } from '../../containment/signals.js'
import type { CloseOptions } from './close-options.js'

/** Closes; called again it joins, with less time where it is given less. */
type Close = (options: CloseOptions) => Promise<void>

/** Every supervisor of this process that asked: the signal is raised again when the last of them has closed. */
const closers = new Map<Close, CloseOptions>()
let unsubscribe: (() => void) | null = null
/** Those that a signal has begun to close; they are no closers any more once they have begun. */
let closing: ReadonlyArray<readonly [Close, CloseOptions]> | null = null

/**
 * On the first of these signals closes as asked and then dies of the signal, so that whoever sent it sees that, or exits with
 * 128+n where it is PID 1, which cannot die of its own; a second one ends the drain and leaves no grace. Where the host
 * listens to a signal itself, that signal stays its own.
 */
export function closeOnSignal(close: Close, options: CloseOptions): () => void {
  closers.set(close, options)
  unsubscribe ??= onPoliteSignal(onSignal, hurry)
  return () => {
    closers.delete(close)
    if (closers.size > 0 || closing !== null) return
    unsubscribe?.()
    unsubscribe = null
  }
}

function onSignal(signal: NodeJS.Signals): void {
  closing = [...closers]
  void Promise.allSettled(closing.map(([close, options]) => close(options))).then(() => {
    unsubscribe?.()
    dieOf(signal)
  })
}

function hurry(): void {
  for (const [close] of closing ?? []) close({ within: 0 }).catch(() => {})
}
