import { openSupervisor, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { historyOf } from '../../examples/gateway/history.ts'
import type { Message } from '../../examples/gateway/model/messages.ts'
import {
  type AnthropicMessage,
  faultForAnthropic,
  faultForOpenAi,
  type OpenAiMessage,
  startModelApis,
} from '../support/model-apis.ts'
import { isRecorded } from '../support/recorded.ts'
import { type Scene, test } from '../support/scene.ts'

/** How a run ends, the state that it comes to, and what is told of the command that was under way then. */
const ways = {
  answered: ['succeeded', null],
  returned: ['succeeded', 'cancelled, by SIGTERM'],
  threw: ['failed', 'cancelled, by SIGTERM'],
  cancelled: ['cancelled', 'cancelled, by SIGTERM'],
  leftBehind: ['cancelled', 'cancelled, by SIGTERM'],
  interrupted: ['cancelled', 'cancelled, by SIGTERM'],
  timedOut: ['timed_out', 'timed_out, by SIGTERM'],
  stalled: ['stalled', 'stalled, by SIGTERM'],
  overLimit: ['failed', 'over_limit, by SIGKILL'],
  shutdown: ['cancelled', 'cancelled, by SIGTERM'],
  lost: ['lost', 'lost'],
} as const

const all = Object.keys(ways) as (keyof typeof ways)[]

/** Agents that end in each of these ways, `lost` last, which kills their process. */
async function endAll(scene: Scene): Promise<void> {
  const ended = all.filter((way) => way !== 'lost')
  const closed = scene.host('host-ends-in-a-tool.mjs', ended)
  expect(await closed.exited).toMatchObject({ code: 0, stderr: '' })
  const killed = scene.host('host-ends-in-a-tool.mjs', ['lost'])
  await killed.lines.after('ready lost')
  await isRecorded(scene, 'exec sleep 600')
  killed.child.kill('SIGKILL')
  await killed.exited
}

/** Neighbours of one role are one message there, with results before text. */
function forAnthropic(messages: readonly Message[]): AnthropicMessage[] {
  const all: { role: 'user' | 'assistant'; content: AnthropicMessage['content'][number][] }[] = []
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user'
    const content: AnthropicMessage['content'][number][] =
      message.role === 'tool'
        ? message.results.map(({ id, text }) => ({ type: 'tool_result', tool_use_id: id, content: text }))
        : message.text === ''
          ? []
          : [{ type: 'text', text: message.text }]
    if (message.role === 'assistant')
      for (const { id, name } of message.calls) content.push({ type: 'tool_use', id, name, input: {} })
    const last = all.at(-1)
    if (last?.role === role) last.content.push(...content)
    else all.push({ role, content })
  }
  return all
}

function forOpenAi(messages: readonly Message[]): OpenAiMessage[] {
  return messages.flatMap((message): OpenAiMessage[] => {
    if (message.role === 'tool')
      return message.results.map(({ id, text }) => ({ role: 'tool', content: text, tool_call_id: id }))
    if (message.role === 'user' || message.calls.length === 0)
      return [{ role: message.role, content: message.text }]
    return [{ role: 'assistant', content: message.text, tool_calls: message.calls }]
  })
}

/** What both APIs answer: their status, and what they find wrong. */
async function ask(url: string, messages: readonly Message[]): Promise<unknown[]> {
  const bodies = { '/v1/messages': forAnthropic(messages), '/v1/chat/completions': forOpenAi(messages) }
  return Promise.all(
    Object.entries(bodies).map(async ([path, messages]) => {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify({ messages }) })
      const { error } = (await response.json()) as { error?: { message: string } }
      return error === undefined ? response.status : [response.status, error.message]
    }),
  )
}

/** The next message of a session: what the APIs say to its history, with it. */
async function goOn(supervisor: Supervisor, session: string, url: string): Promise<unknown[]> {
  return supervisor.run({ session }, async (run) => {
    await run.append({ role: 'user', text: 'and now?' })
    const first = await ask(url, await historyOf(supervisor, session))
    await run.append({ role: 'assistant', text: 'nothing more', calls: [] })
    await run.append({ role: 'user', text: 'thank you' })
    return [...first, ...(await ask(url, await historyOf(supervisor, session)))]
  })
}

describe('a model API that refuses a history with a call that has no result', () => {
  test('P5, P8: takes the history after every kind of ending, in which each call has its true end', async ({
    scene,
  }) => {
    await endAll(scene)
    await using apis = await startModelApis()
    const supervisor = await openSupervisor({ state: scene.state })
    for (const way of all) {
      const [state, told] = ways[way]
      const endings = (await supervisor.transcript(way)).filter((item) => item.kind === 'ending')
      expect(endings[0]?.outcome.state, way).toBe(state)
      const history = await historyOf(supervisor, way)
      const results = history.flatMap((message) => (message.role === 'tool' ? message.results : []))
      expect(
        results.map(({ text }) => text.split(';')[0]),
        way,
      ).toEqual(
        told === null ? ['done\n', 'not needed', 'not needed'] : ['done\n', told, 'not known to have begun'],
      )
      expect(await goOn(supervisor, way, apis.url), way).toEqual([200, 200, 200, 200])
      // What the callbacks wrote, without what the ending says, is refused: but for the one whose agent wrote it all.
      const naive = (await supervisor.transcript(way)).flatMap((item) =>
        item.kind === 'entry' ? [item.entry as Message] : [],
      )
      const refused =
        told === null
          ? [200, 200]
          : [
              [400, expect.anything()],
              [400, expect.anything()],
            ]
      expect(await ask(apis.url, naive), way).toEqual(refused)
    }
    await supervisor.close()
  })
})

describe('the model APIs of the test refuse what the real ones do', () => {
  const user = { role: 'user', text: 'hello' } as const
  const calls = { role: 'assistant', text: '', calls: [{ id: 'a', name: 'tool' }] } as const
  const result = (id: string) => ({ role: 'tool', results: [{ id, ok: true, text: 'done' }] }) as const

  test.for<[string, readonly Message[]]>([
    ['a call without result', [user, calls, user]],
    ['a call whose result comes later', [user, calls, user, result('a'), user]],
    ['a result of another call', [user, calls, result('b'), user]],
    ['a result without a call', [user, result('a'), user]],
    ['a call at the end', [user, calls]],
    ['a result twice', [user, calls, result('a'), result('a'), user]],
  ])('%s', ([, messages]) => {
    expect(faultForAnthropic(forAnthropic(messages))).not.toBeNull()
    expect(faultForOpenAi(forOpenAi(messages))).not.toBeNull()
  })

  test('two of one role, an empty text and a call’s id that was used before: Anthropic’s alone', () => {
    const say = (role: 'user' | 'assistant', text: string): AnthropicMessage => ({
      role,
      content: [{ type: 'text', text }],
    })
    expect(faultForAnthropic([say('user', 'a'), say('user', 'b')])).toContain('alternate')
    expect(faultForAnthropic([say('assistant', 'a'), say('user', 'b')])).toContain('first')
    expect(faultForAnthropic([say('user', ' ')])).toContain('empty')
    const twice = [user, calls, result('a'), calls, result('a'), user]
    expect(faultForAnthropic(forAnthropic(twice))).toContain('unique')
    expect(faultForAnthropic(forAnthropic([user, calls, result('a'), user]))).toBeNull()
    expect(faultForOpenAi(forOpenAi([user, calls, result('a'), user]))).toBeNull()
  })
})
