import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import type { LoopTimeout } from '../keeper-settings.js'
import { refuseUnknown } from './options.js'

/**
 * A duration, or what is to be done after it: `record` logs and stores that the loop is blocked; `exit` ends all runs as
 * well and then the process, by SIGKILL, for a process manager to start it again; PID 1 of a container cannot ask for that.
 */
export type LoopTimeoutOption = Duration | { readonly after: Duration; readonly then?: 'record' | 'exit' }

export const defaultLoopTimeout: LoopTimeout = { after: 2 * 60 * 1000, exits: false }

/** `invalid_option` names what is wrong. */
export function parseLoopTimeout(option: LoopTimeoutOption | undefined): LoopTimeout {
  if (option === undefined) return defaultLoopTimeout
  if (typeof option !== 'object') return { after: parseDuration('loopTimeout', option), exits: false }
  refuseUnknown('loopTimeout', option, ['after', 'then'])
  const { after, then = 'record' } = option
  if (then !== 'record' && then !== 'exit')
    throw new CoppiceError('invalid_option', `loopTimeout.then: ${String(then)} is none of record, exit`)
  // No process of a pid namespace can kill its first one, not even that one itself (pid_namespaces(7)).
  if (then === 'exit' && process.pid === 1)
    throw new CoppiceError(
      'invalid_option',
      'loopTimeout.then: exit cannot end a process that is PID 1: start it below an init, as tini is',
    )
  return { after: parseDuration('loopTimeout.after', after), exits: then === 'exit' }
}
