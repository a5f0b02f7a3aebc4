import type { Message, Reply } from './messages.ts'

/** What an SDK throws for an answer that is no success: with the status, and the headers for `Retry-After`. */
export class ModelError extends Error {
  readonly status: number
  readonly headers: Headers

  constructor(response: Response) {
    super(`the model answered ${response.status}`)
    this.status = response.status
    this.headers = response.headers
  }
}

/** One call, with no retries of its own: those are `run.attempt`'s. */
export async function askModel(
  url: string,
  messages: readonly Message[],
  signal: AbortSignal,
): Promise<Reply> {
  const response = await fetch(`${url}/messages`, {
    method: 'POST',
    body: JSON.stringify(messages),
    signal,
  })
  if (!response.ok) throw new ModelError(response)
  return (await response.json()) as Reply
}
