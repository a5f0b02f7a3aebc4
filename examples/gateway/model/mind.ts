import { toolNames } from '../tools.ts'
import type { Message, Reply } from './messages.ts'

/**
 * What stands in for intelligence: it calls every tool whose name the user's text has in it, one after the other, and then
 * says how many messages of the user it remembers.
 */
export function think(messages: readonly Message[]): Reply {
  const asked = messages.findLastIndex(({ role }) => role === 'user')
  const question = messages[asked]
  const text = question?.role === 'user' ? question.text : ''
  const called = messages
    .slice(asked)
    .flatMap((message) => (message.role === 'assistant' ? message.calls : []))
  const next = toolNames.find((name) => text.includes(name) && !called.some((call) => call.name === name))
  if (next !== undefined) {
    return { role: 'assistant', text: '', calls: [{ id: `${asked}.${called.length + 1}`, name: next }] }
  }
  const remembered = messages.filter(({ role }) => role === 'user').length
  return { role: 'assistant', text: `I remember ${remembered} of your messages.`, calls: [] }
}

/** Model APIs refuse a conversation in which a call of a tool has no result. */
export function isWellFormed(messages: readonly Message[]): boolean {
  return messages.every((message, at) => {
    if (message.role !== 'assistant' || message.calls.length === 0) return true
    const next = messages[at + 1]
    return next?.role === 'tool' && message.calls.every(({ id }) => next.results.some((one) => one.id === id))
  })
}
