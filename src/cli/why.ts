import { askChild } from '../health/asking.js'
import { storeSettings } from '../supervisor/host/state.js'
import type { WhyView } from '../supervisor/host/why-report.js'
import { exitCodes } from './exit-codes.js'
import { printJson, printLine, withState } from './printing.js'
import { stateArguments, stateOption } from './state.js'

/** `coppice why SESSION` */
export async function why(
  session: string,
  options: { readonly state?: string; readonly json?: boolean },
): Promise<void> {
  const { location } = storeSettings(stateOption(options))
  const found = await askChild<WhyView | 'no state'>(['why', ...stateArguments(options), '--', session])
  if (found === null) {
    process.stderr.write(
      `coppice: the state ${location} does not answer, its disk hangs: coppice health tells more\n`,
    )
    process.exitCode = exitCodes.unresponsive
    return
  }
  const view = complete(found === 'no state' ? nobody(session, location) : found, options.state)
  if (options.json === true) printJson(view)
  else printLine(view.sentence)
}

function nobody(session: string, location: string): WhyView {
  const sentence = `session ${session} is free: there is no state at ${location}, so nothing has ever run in it`
  return {
    session,
    state: 'free',
    sentence,
    command: null,
    holder: null,
    queueLength: 0,
    waiting: [],
    breaker: null,
    last: null,
  }
}

/** What is to be typed next has to name the state as this command did. */
function complete(view: WhyView, state: string | undefined): WhyView {
  const { command, sentence } = view
  if (command === null || state === undefined) return view
  const whole = withState(command, state)
  return { ...view, command: whole, sentence: sentence.replace(command, () => whole) }
}
