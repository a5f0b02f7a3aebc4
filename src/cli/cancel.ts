import { CoppiceError, isCoppiceError } from '../errors.js'
import type { Outcome } from '../runs/outcome.js'
import { openSupervisor, type Supervisor } from '../supervisor/host/supervisor.js'
import { duration as inWords, printJson } from './printing.js'
import { stateExists, stateOption } from './state.js'

export interface CancelCommandOptions {
  readonly session?: string
  readonly grace?: number
  readonly reason?: string
  readonly force?: boolean
  readonly state?: string
  readonly json?: boolean
}

/** `coppice cancel RUN | --session KEY`: exits with 0 when the run has ended, and with 1 where there was none. */
export async function cancel(run: string | undefined, options: CancelCommandOptions): Promise<void> {
  if ((run === undefined) === (options.session === undefined)) {
    throw new CoppiceError('invalid_option', 'cancel: give a run’s id or --session KEY, and not both')
  }
  const state = stateOption(options)
  if (!(await stateExists(state))) {
    noRun('there is no state, so there is no run')
    return
  }
  const supervisor = await openSupervisor(state)
  try {
    if (run !== undefined && (await supervisor.show(run)) === null) {
      noRun(`there is no run ${run}: coppice ps lists them`)
      return
    }
    tell(await cancelIn(supervisor, run ?? { session: options.session ?? '' }, options), options)
  } catch (error) {
    if (!isCoppiceError(error, 'run_ended')) throw error
    noRun(error.message)
  } finally {
    await supervisor.close()
  }
}

function noRun(message: string): void {
  process.stderr.write(`coppice: ${message}\n`)
  process.exitCode = 1
}

function cancelIn(
  supervisor: Supervisor,
  target: string | { readonly session: string },
  { reason, grace, force = false }: CancelCommandOptions,
): Promise<Outcome> {
  return supervisor.cancel(target, {
    ...(reason === undefined ? {} : { reason }),
    ...(grace === undefined ? {} : { grace }),
    force,
  })
}

function tell(outcome: Outcome, { json }: CancelCommandOptions): void {
  if (json === true) {
    printJson(outcome)
    return
  }
  const { run, state, durationMs, forced } = outcome
  process.stdout.write(
    `run ${run} ended as ${state} after ${inWords(durationMs)}${forced ? ', by force' : ''}\n`,
  )
}
