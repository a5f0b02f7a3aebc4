import { setTimeout as sleep } from 'node:timers/promises'
import { isCoppiceError, type RunHandle } from 'coppice'
import { answer, type Surroundings } from './agent.ts'

export interface Incoming {
  readonly id: string
  readonly text: string
}

/**
 * Takes a message: one run of its session, which waits for those before it. Resolves to the run's id when it is stored,
 * since what is accepted has to have an ending, whatever happens to this process.
 */
export async function accept(session: string, message: Incoming, around: Surroundings): Promise<string> {
  const { supervisor, events } = around
  const { id, text } = message
  const handle = supervisor.start(
    { session, request: { id, payload: { text } }, timeout: '1m', grace: '1s' },
    (run) => answer(run, session, text, around),
  )
  void tellEnding(handle, session, id, around)
  await stored(handle, around)
  events.tell('accepted', { session, run: handle.id, message: id })
  return handle.id
}

async function stored(handle: RunHandle<string>, { supervisor }: Surroundings): Promise<void> {
  let refusal: unknown = null
  handle.result.catch((error: unknown) => {
    if (isCoppiceError(error, 'supervisor_closed') || isCoppiceError(error, 'store_unavailable'))
      refusal = error
  })
  while ((await supervisor.show(handle.id)) === null) {
    if (refusal !== null) throw refusal
    await sleep(5)
  }
}

async function tellEnding(
  handle: RunHandle<string>,
  session: string,
  message: string,
  { events }: Surroundings,
): Promise<void> {
  const { run, state, message: why, durationMs } = await handle.outcome
  const said = await handle.result.catch(() => null)
  events.tell('ended', { session, run, message, state, why, answer: said, ms: durationMs })
}
