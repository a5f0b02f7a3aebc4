import { onExit } from 'signal-exit'

const polite: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * On the first of these signals closes with its usual bounds and then dies of the signal, so that whoever sent it
 * sees that; a second one leaves no grace. Where the host listens to a signal itself, that signal stays its own.
 */
export function closeOnSignal(close: (within: number) => Promise<void>): () => void {
  return onExit((_code, signal) => {
    if (signal === null || !polite.includes(signal)) return undefined
    // signal-exit has taken its listeners off by now: the second signal comes to these.
    const hurry = () => void close(0)
    for (const name of polite) process.on(name, hurry)
    close(Number.POSITIVE_INFINITY).finally(() => {
      for (const name of polite) process.off(name, hurry)
      process.kill(process.pid, signal)
    })
    // true keeps signal-exit from re-raising at once.
    return true
  })
}
