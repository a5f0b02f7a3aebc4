import type { AttemptOptions, Run, Supervisor } from 'coppice'
import type { Events } from './events.ts'
import { historyOf } from './history.ts'
import { askModel } from './model/client.ts'
import type { Message, Reply } from './model/messages.ts'
import { useTool } from './tools.ts'

export interface Surroundings {
  readonly supervisor: Supervisor
  readonly events: Events
  readonly modelUrl: string
}

/** A tenth of what a real model needs, so that there is something to see. */
const patience: AttemptOptions = { timeout: '1s', backoff: { initial: '100ms', longest: '1s' } }

const mostTurns = 20

/** One message: the model and its tools, in turn, until it has nothing more to ask for. */
export async function answer(run: Run, session: string, around: Surroundings): Promise<void> {
  await hear(run, session, around)
  for (let turn = 0; turn < mostTurns; turn++) {
    const reply = await ask(run, session, around)
    await run.append(reply, { calls: reply.calls.map(({ id }) => id) })
    if (reply.calls.length === 0) return
    const results = await Promise.all(
      reply.calls.map(async (call) => {
        around.events.tell('tool', { session, run: run.id, tool: call.name })
        return useTool(run, call)
      }),
    )
    await run.append({ role: 'tool', results }, { results: results.map(({ id }) => id) })
  }
  throw new Error(`no answer after ${mostTurns} turns`)
}

/** What the user said, once: a run before this one may have written it down, and been lost. */
async function hear(run: Run, session: string, { supervisor }: Surroundings): Promise<void> {
  if (run.request === null) return
  const { id, payload, tries } = run.request
  const isHeard = (message: Message) => message.role === 'user' && message.id === id
  if (tries > 1 && (await historyOf(supervisor, session)).some(isHeard)) return
  await run.append({ role: 'user', id, text: (payload as { text: string }).text } satisfies Message)
}

async function ask(
  run: Run,
  session: string,
  { supervisor, events, modelUrl }: Surroundings,
): Promise<Reply> {
  const messages = await historyOf(supervisor, session)
  return run.attempt(async ({ number, signal }) => {
    try {
      return await askModel(modelUrl, messages, signal)
    } catch (error) {
      const why = signal.aborted ? signal.reason : error
      events.tell('model failed', { session, run: run.id, attempt: number, why: String(why) })
      throw error
    }
  }, patience)
}
