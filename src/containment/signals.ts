import { constants } from 'node:os'
import { onExit } from 'signal-exit'

/**
 * The signals that ask this process to end. On Windows there are none: Node tells Ctrl-C as SIGINT, Ctrl-Break as SIGBREAK
 * and a closed window as SIGHUP, after which Windows ends the process within seconds.
 */
export const politeSignals: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] : ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Calls `first` with the first of them, which then does not end this process, and `later` with each that follows. Where
 * others listen to a signal too, it is theirs. Returns how to stop listening.
 */
export function onPoliteSignal(first: (signal: NodeJS.Signals) => void, later: () => void): () => void {
  let hasCome = false
  const heard = (signal: NodeJS.Signals) => {
    if (hasCome) return later()
    hasCome = true
    // signal-exit has taken its listeners off by now: later signals come to these.
    for (const name of politeSignals) if (name !== 'SIGBREAK') process.on(name, later)
    first(signal)
  }
  const stop = onExit((_code, signal) => {
    if (signal === null || !politeSignals.includes(signal)) return undefined
    heard(signal)
    // true keeps signal-exit from raising the signal again at once.
    return true
  })
  // signal-exit does not know it.
  const onBreak = () => {
    if (process.listenerCount('SIGBREAK') === 1) heard('SIGBREAK')
  }
  if (politeSignals.includes('SIGBREAK')) process.on('SIGBREAK', onBreak)
  return () => {
    stop()
    process.off('SIGBREAK', onBreak)
    for (const name of politeSignals) process.off(name, later)
  }
}

/** STATUS_CONTROL_C_EXIT: what Windows says of a process that a console's event has ended. */
const endedByConsole = 0xc000013a

/** Ends this process as the signal would have, so that whoever sent it sees that. */
export function dieOf(signal: NodeJS.Signals): void {
  if (process.platform === 'win32') process.exit(endedByConsole)
  process.kill(process.pid, signal)
  // PID 1 of a container: its kernel keeps from it every signal that it does not handle (pid_namespaces(7)).
  if (process.pid === 1) process.exit(128 + constants.signals[signal])
}
