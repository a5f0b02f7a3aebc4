import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/**
 * Two model APIs, on one port, that look at a history as the real ones do and refuse it with 400 for the same faults: POST
 * /v1/messages as Anthropic's, /v1/chat/completions as OpenAI's. Everything else about them is left out.
 */
export interface ModelApis extends AsyncDisposable {
  readonly url: string
}

export async function startModelApis(): Promise<ModelApis> {
  const judges: Record<string, ((messages: never) => string | null) | undefined> = {
    '/v1/messages': faultForAnthropic,
    '/v1/chat/completions': faultForOpenAi,
  }
  const server = createServer(async (request, response) => {
    const { messages } = (await json(request)) as { messages: never }
    const judge = judges[request.url ?? '']
    const message = judge === undefined ? 'there is no such path' : judge(messages)
    const body = message === null ? { text: 'I see' } : { error: { type: 'invalid_request_error', message } }
    response.writeHead(message === null ? 200 : 400).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: object }
  | { readonly type: 'tool_result'; readonly tool_use_id: string; readonly content: string }

export interface AnthropicMessage {
  readonly role: 'user' | 'assistant'
  readonly content: readonly Block[]
}

/** What is wrong with it; null for nothing. Each `tool_use` is answered in the next message, and nothing else is. */
export function faultForAnthropic(messages: readonly AnthropicMessage[]): string | null {
  const seen = new Set<string>()
  if (messages[0]?.role !== 'user') return 'messages: the first has to be the user’s'
  if (messages.at(-1)?.role !== 'user') return 'messages: the last has to be the user’s'
  for (const [at, { role, content }] of messages.entries()) {
    if (messages[at - 1]?.role === role) return `messages.${at}: roles have to alternate`
    if (content.length === 0) return `messages.${at}: has no content`
    if (content.some((block) => block.type === 'text' && block.text.trim() === ''))
      return `messages.${at}: text blocks must not be empty`
    const isOf = role === 'user' ? 'tool_use' : 'tool_result'
    if (content.some(({ type }) => type === isOf)) return `messages.${at}: ${isOf} is not for ${role}`
    for (const id of uses({ content })) {
      if (seen.has(id)) return `messages.${at}: tool_use ids must be unique: ${id}`
      seen.add(id)
    }
    const results = resultsOf({ content })
    const asked = uses(messages[at - 1])
    const unexpected = results.filter((id) => !asked.includes(id))
    if (unexpected.length > 0) return `messages.${at}: tool_result without tool_use: ${unexpected}`
    if (new Set(results).size < results.length) return `messages.${at}: two results of one tool_use`
    if (content.slice(0, results.length).some(({ type }) => results.length > 0 && type !== 'tool_result'))
      return `messages.${at}: tool_result blocks have to come first`
    const unanswered = uses({ content }).filter((id) => !resultsOf(messages[at + 1]).includes(id))
    if (unanswered.length > 0)
      return `messages.${at}: tool_use ids without tool_result directly after: ${unanswered}`
  }
  return null
}

function uses(message: Pick<AnthropicMessage, 'content'> | undefined): string[] {
  return (message?.content ?? []).flatMap((block) => (block.type === 'tool_use' ? [block.id] : []))
}

function resultsOf(message: Pick<AnthropicMessage, 'content'> | undefined): string[] {
  return (message?.content ?? []).flatMap((block) =>
    block.type === 'tool_result' ? [block.tool_use_id] : [],
  )
}

export interface OpenAiMessage {
  readonly role: 'user' | 'assistant' | 'tool'
  readonly content: string | null
  readonly tool_calls?: readonly { readonly id: string }[]
  readonly tool_call_id?: string
}

/** What is wrong with it; null for nothing. After `tool_calls` come messages of role `tool`, one for each, before any other. */
export function faultForOpenAi(messages: readonly OpenAiMessage[]): string | null {
  let open: string[] = []
  for (const [at, { role, content, tool_calls: calls, tool_call_id: answers }] of messages.entries()) {
    if (role === 'tool') {
      if (answers === undefined || !open.includes(answers))
        return `messages[${at}]: role tool has to answer a preceding tool_calls: ${answers}`
      open = open.filter((id) => id !== answers)
    } else if (open.length > 0) return `messages[${at}]: these tool_call_ids have no tool message: ${open}`
    if (content === null && calls === undefined) return `messages[${at}]: content is missing`
    if (calls?.length === 0) return `messages[${at}]: tool_calls must not be empty`
    if (role === 'assistant') open = (calls ?? []).map(({ id }) => id)
  }
  return open.length > 0 ? `these tool_call_ids have no tool message: ${open}` : null
}
