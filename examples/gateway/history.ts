import type { Supervisor, TranscriptItem, UnfinishedCall } from 'coppice'
import type { Message, ToolCall, ToolResult } from './model/messages.ts'

/**
 * The conversation as the model is to see it. Of the transcript that is what the agent wrote; failed attempts and endings
 * are the host's. A run that ended in the middle of a tool leaves calls without result, and a model's API refuses a history
 * in which there is one: what the ending says of each is its result. What it had drafted of an answer is what it said.
 */
export async function historyOf(supervisor: Supervisor, session: string): Promise<Message[]> {
  const history = new History()
  for await (const item of itemsOf(supervisor, session)) {
    if (item.kind === 'entry') {
      if (isMessage(item.entry)) history.add(item.entry)
    } else history.end(item)
  }
  return history.messages
}

class History {
  readonly messages: Message[] = []
  /** Calls that have no result so far. */
  #open: ToolCall[] = []

  add(message: Message): void {
    if (message.role === 'tool') this.#answer(message.results)
    else this.messages.push(message)
    if (message.role === 'assistant') this.#open.push(...message.calls)
  }

  end({ outcome, calls, draft }: Extract<TranscriptItem, { kind: 'ending' }>): void {
    // Those alone that the history has: of a call whose entry could not be written any more there is nothing to answer.
    const results = this.#open.map(({ id }) => {
      const call = calls.find(({ callId }) => callId === id)
      return { id, ok: false, text: `${whatBecameOf(call)}; its run ended as ${outcome.state}` }
    })
    if (results.length > 0) this.#answer(results)
    // A draft stands behind the ending of a run that did not finish it, and is no message before that.
    if (isMessage(draft) && draft.role === 'assistant' && draft.text !== '')
      this.messages.push({ ...draft, calls: [] })
  }

  /** All results of one message's calls have to stand in one message, directly after it. */
  #answer(results: readonly ToolResult[]): void {
    const last = this.messages.at(-1)
    if (last?.role === 'tool')
      this.messages.splice(-1, 1, { ...last, results: [...last.results, ...results] })
    else this.messages.push({ role: 'tool', results })
    this.#open = this.#open.filter(({ id }) => !results.some((result) => result.id === id))
  }
}

function whatBecameOf(call: UnfinishedCall | undefined): string {
  if (call === undefined || call.exec === null) return 'not known to have begun'
  const { ended, code, signal } = call.exec
  if (signal !== null) return `${ended}, by ${signal}`
  return code === null ? ended : `${ended}, with code ${code}`
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
