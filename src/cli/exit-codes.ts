import { constants } from 'node:os'
import type { CoppiceError } from '../errors.js'
import type { Outcome } from '../runs/outcome.js'
import type { ExecResult } from '../supervisor/host/exec-result.js'

/**
 * The exit codes of `coppice run`: those of timeout(1), of the shells, and sysexits' EX_TEMPFAIL. `degraded` and `unresponsive`
 * are those of `coppice health`.
 */
export const exitCodes = {
  degraded: 1,
  usage: 2,
  unresponsive: 3,
  busy: 75,
  timedOut: 124,
  failed: 125,
  notExecutable: 126,
  notFound: 127,
  overLimit: 137,
} as const

/** What `coppice run` exits with, from how its run ended. */
export function exitCodeOf(
  outcome: Outcome,
  exec: ExecResult | null,
  launchError: CoppiceError | null,
  signal: NodeJS.Signals | null,
): number {
  switch (outcome.state) {
    case 'succeeded':
      return 0
    case 'failed':
      return exec === null ? launchCode(launchError) : commandCode(exec)
    case 'timed_out':
    case 'stalled':
      return exitCodes.timedOut
    case 'cancelled':
      return signalCode(signal ?? 'SIGTERM')
    case 'refused':
      return exitCodes.busy
    case 'lost':
      return exitCodes.failed
  }
}

function commandCode({ ended, exit: { code, signal } }: ExecResult): number {
  if (ended === 'over_limit') return exitCodes.overLimit
  return code ?? (signal === null ? exitCodes.failed : signalCode(signal))
}

function launchCode(error: CoppiceError | null): number {
  if (error?.code === 'command_not_found') return exitCodes.notFound
  return error?.code === 'command_not_executable' ? exitCodes.notExecutable : exitCodes.failed
}

/** Real-time signals have no names in Node: they are told as SIG34 to SIG64. */
function signalCode(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? Number(signal.slice('SIG'.length)))
}
