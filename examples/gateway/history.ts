import type { Supervisor, TranscriptItem } from 'coppice'
import type { Message, ToolCall } from './model/messages.ts'

/**
 * The conversation as the model is to see it. Of the transcript that is what the agent wrote; failed attempts and endings
 * are the host's. A run that ended in the middle of a tool leaves a call without result, which the model's API
 * would refuse: how the run ended is the result.
 */
export async function historyOf(supervisor: Supervisor, session: string): Promise<Message[]> {
  const messages: Message[] = []
  let open: readonly ToolCall[] = []
  for await (const item of itemsOf(supervisor, session)) {
    if (item.kind === 'entry' && isMessage(item.entry)) {
      messages.push(item.entry)
      open = item.entry.role === 'assistant' ? item.entry.calls : []
    } else if (item.kind === 'ending' && open.length > 0) {
      const text = `not finished: the run ended as ${item.outcome.state}`
      messages.push({ role: 'tool', results: open.map(({ id }) => ({ id, ok: false, text })) })
      open = []
    }
  }
  return messages
}

async function* itemsOf(supervisor: Supervisor, session: string): AsyncGenerator<TranscriptItem> {
  let after: string | undefined
  for (;;) {
    const page = await supervisor.transcript(session, after === undefined ? {} : { after })
    if (page.length === 0) return
    yield* page
    after = page.at(-1)?.position
  }
}

function isMessage(entry: unknown): entry is Message {
  return typeof entry === 'object' && entry !== null && 'role' in entry
}
