import { expect } from 'vitest'

/** What an SDK throws for an answer that is no success. */
export class ModelError extends Error {
  readonly status: number
  readonly headers: Headers

  constructor({ status, headers }: Response) {
    super(`the model answered ${status}`)
    this.status = status
    this.headers = headers
  }
}

/** One call of a model, as an SDK that does not try again on its own makes it. */
export async function ask(url: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(url, signal === undefined ? {} : { signal })
  if (!response.ok) throw new ModelError(response)
  return response.text()
}

/** What a promise rejects with. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
}
