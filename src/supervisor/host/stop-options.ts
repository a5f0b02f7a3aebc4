import { constants } from 'node:os'
import type { StdioPlan } from '../../containment/contract.js'
import { plainStop, type StopPlan } from '../../containment/stop-plan.js'
import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'

export interface StopOptions {
  /**
   * `tree`, the default: SIGTERM goes to every process. `root`: to the root first, and to the rest when it has exited
   * or at half the grace: for a wrapper that passes the signal on, whose children would get two.
   */
  readonly terminate?: 'tree' | 'root'
  readonly stop?: {
    /** Its stdin is ended first; the signal follows when the root has exited, or at half the grace. */
    readonly stdin?: 'end'
    /** Instead of SIGTERM. */
    readonly signal?: NodeJS.Signals
  }
}

/** No handler hears these: SIGKILL is what follows the grace, and `grace: 0` asks for it. */
const unheard: readonly string[] = ['SIGKILL', 'SIGSTOP']

export function parseStop({ terminate, stop = {} }: StopOptions, stdin: StdioPlan): StopPlan {
  refuseUnknown('stop', stop, ['stdin', 'signal'])
  const { signal = plainStop.signal } = stop
  if (terminate !== undefined && terminate !== 'tree' && terminate !== 'root')
    throw invalid(`terminate: ${String(terminate)} is none of tree, root`)
  if (!(signal in constants.signals))
    throw invalid(`stop.signal: ${String(signal)} is no signal of this system (write SIGINT, SIGUSR1, …)`)
  if (unheard.includes(signal)) throw invalid(`stop.signal: no program can handle ${signal} (grace: 0 kills)`)
  if (stop.stdin !== undefined && stop.stdin !== 'end')
    throw invalid(`stop.stdin: ${String(stop.stdin)} is not end`)
  if (stop.stdin === 'end' && stdin !== 'pipe')
    throw invalid('stop.stdin: there is no pipe to end (stdio[0])')
  return { terminate: terminate ?? plainStop.terminate, signal, endsStdin: stop.stdin === 'end' }
}

function invalid(message: string): CoppiceError {
  return new CoppiceError('invalid_option', message)
}
