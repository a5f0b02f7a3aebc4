import { spawn } from 'node:child_process'
import { CoppiceError, type ErrorMessage, fromErrorMessage } from '../errors.js'
import { after } from '../timers.js'

/** What a child says that looked at the state: one JSON value on its stdout. */
export type Told<T> = { readonly answer: T } | { readonly error: ErrorMessage }

/** What it says first, before it touches the state: whoever has not come that far waits for a processor, and for no disk. */
export const began = '\n'

/** Milliseconds that a child has to come to that, on a machine however busy. */
const startBound = 10_000

/** Milliseconds from there on: with the start of both processes the answer is there within two seconds. */
const answerBound = 1600

/** On a machine so busy that the start took long, so many times as long as that: it is no hung one. */
const asBusy = 8

/**
 * Asks a child process, which is this command again, and gives it up where it does not answer in time: then null. A state on
 * a disk that hangs holds whatever thread has touched it, and with it the exit of the whole process; so this process touches none.
 */
export async function askChild<T>(question: readonly string[]): Promise<T | null> {
  const [, command = ''] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, command, 'ask', ...question], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const told = Promise.withResolvers<string | null>()
  const since = performance.now()
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (text === '') patience.starts(Math.max(answerBound, asBusy * (performance.now() - since)))
    text += chunk
  })
  child.on('error', told.reject)
  child.on('close', () => told.resolve(text))
  const patience = new Patience(() => told.resolve(null))
  patience.starts(startBound)
  try {
    const said = await told.promise
    return said === null ? null : answerIn<T>(said)
  } finally {
    patience.ends()
    // It is ours and not reaped, or gone. Where it hangs in the kernel it stays, and nobody waits for it.
    child.kill('SIGKILL')
    child.stdout.destroy()
    child.unref()
  }
}

class Patience {
  readonly #isOver: () => void
  #disarm = () => {}

  constructor(isOver: () => void) {
    this.#isOver = isOver
  }

  starts(bound: number): void {
    this.#disarm()
    this.#disarm = after(bound, this.#isOver)
  }

  ends(): void {
    this.#disarm()
  }
}

function answerIn<T>(text: string): T {
  if (text.trim() === '')
    throw new CoppiceError('store_unavailable', 'whoever was to look at the state has died')
  const told = JSON.parse(text) as Told<T>
  if ('error' in told) throw fromErrorMessage(told.error)
  return told.answer
}
