import { constants } from 'node:os'
import { politeSignals } from '../containment/signals.js'

/**
 * Exits with 128+n on the signals that others die of by default, until it is undone by whoever handles them: the kernel keeps
 * a signal without a handler from PID 1 of a container (pid_namespaces(7)), so that a stop in the command's first moments
 * would go unheard, and end in a kill. Elsewhere the default does it.
 */
export function heedSignalsAsFirstProcess(): () => void {
  if (process.pid !== 1) return () => {}
  const exit = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal])
  for (const name of politeSignals) process.on(name, exit)
  return () => {
    for (const name of politeSignals) process.off(name, exit)
  }
}
