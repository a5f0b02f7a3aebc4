/** What is said to the model and by it. */

export interface ToolCall {
  readonly id: string
  readonly name: string
}

export interface ToolResult {
  /** Of the call that it answers. */
  readonly id: string
  readonly ok: boolean
  readonly text: string
}

export type Message =
  | { readonly role: 'user'; readonly id?: string; readonly text: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly results: readonly ToolResult[] }

export type Reply = Extract<Message, { role: 'assistant' }>
