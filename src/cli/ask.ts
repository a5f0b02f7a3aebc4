import { isCoppiceError, toErrorMessage } from '../errors.js'
import { began, type Told } from '../health/asking.js'
import { openObserver } from '../supervisor/host/observer.js'
import { stateExists, stateOption } from './state.js'

/** `coppice ask`: the child of a command that must answer whatever hangs. It looks, and prints what it saw as JSON. */
export async function ask(
  question: string,
  of: string | undefined,
  options: { state?: string },
): Promise<void> {
  process.stdout.write(began)
  process.stdout.write(JSON.stringify(await answerTo(question, of, options)))
}

async function answerTo(question: string, of = '', options: { state?: string }): Promise<Told<unknown>> {
  try {
    const state = stateOption(options)
    if (!(await stateExists(state))) return { answer: 'no state' }
    const observer = await openObserver(state)
    try {
      return { answer: await (question === 'why' ? observer.why(of) : observer.healthFacts()) }
    } finally {
      await observer.close()
    }
  } catch (error) {
    if (isCoppiceError(error)) return { error: toErrorMessage(error) }
    throw error
  }
}
