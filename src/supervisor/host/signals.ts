import { onExit } from 'signal-exit'
import type { CloseOptions } from './close-options.js'

const polite: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Closes; called again it joins, with less time where it is given less. */
type Close = (options: CloseOptions) => Promise<void>

/** Every supervisor of this process that asked: the signal is raised again when the last of them has closed. */
const closers = new Map<Close, CloseOptions>()
let unsubscribe: (() => void) | null = null
let isEnding = false

/**
 * On the first of these signals closes as asked and then dies of the signal, so that whoever sent it sees that; a second
 * one ends the drain and leaves no grace. Where the host listens to a signal itself, that signal stays its own.
 */
export function closeOnSignal(close: Close, options: CloseOptions): () => void {
  closers.set(close, options)
  unsubscribe ??= onExit(onSignal)
  return () => {
    closers.delete(close)
    if (closers.size > 0 || isEnding) return
    unsubscribe?.()
    unsubscribe = null
  }
}

function onSignal(_code: number | null | undefined, signal: NodeJS.Signals | null): true | undefined {
  if (signal === null || !polite.includes(signal)) return undefined
  isEnding = true
  const closing = [...closers]
  // signal-exit has taken its listeners off by now: the second signal comes to these.
  const hurry = () => {
    for (const [close] of closing) close({ within: 0 }).catch(() => {})
  }
  for (const name of polite) process.on(name, hurry)
  void Promise.allSettled(closing.map(([close, options]) => close(options))).then(() => {
    for (const name of polite) process.off(name, hurry)
    process.kill(process.pid, signal)
  })
  // true keeps signal-exit from re-raising at once.
  return true
}
