import type { Ending } from 'coppice'
import { answer, type Surroundings } from './agent.ts'
import { historyOf } from './history.ts'

export interface Incoming {
  readonly id: string
  readonly text: string
}

/**
 * Takes a message: one run of its session, which waits for those before it. Resolves when it is stored, since what is
 * accepted has to have an ending, whatever happens to this process. The same id again is the same message.
 */
export async function accept(session: string, { id, text }: Incoming, around: Surroundings): Promise<string> {
  const { run, state } = await start(session, { id, payload: { text } }, around)
  around.events.tell('accepted', { session, run, message: id, ...(state === 'duplicate' ? { state } : {}) })
  return run
}

/** What an earlier process left that no run has. */
export async function takePending(around: Surroundings): Promise<void> {
  for await (const { session, request } of around.supervisor.pending())
    if (session !== null) await start(session, { id: request.id }, around)
}

/**
 * Told how each message ended, at least once, also of those of a process that is dead. What was lost, or never began, is run
 * again; where this process is closing, that is refused, and whoever comes next is told of the ending again.
 */
export async function tellEnding(ending: Ending, around: Surroundings): Promise<void> {
  const { outcome, request } = ending
  const { run, session, state, message: why, durationMs: ms } = outcome
  if (session === null || request === null) return
  const said = state === 'succeeded' ? await lastAnswer(session, around) : null
  const { id, tries, pending } = request
  const again = pending ? { tries, again: 'yes' } : {}
  around.events.tell('ended', { session, run, message: id, state, why, answer: said, ms, ...again })
  if (pending) await start(session, { id }, around)
}

function start(session: string, request: { id: string; payload?: { text: string } }, around: Surroundings) {
  const spec = { session, request, timeout: '1m', grace: '1s' } as const
  const handle = around.supervisor.start(spec, (run) => answer(run, session, around))
  return handle.accepted
}

async function lastAnswer(session: string, { supervisor }: Surroundings): Promise<string | null> {
  const last = (await historyOf(supervisor, session)).findLast(({ role }) => role === 'assistant')
  return last?.role === 'assistant' ? last.text : null
}
