import type { ServerResponse } from 'node:http'

type Details = Readonly<Record<string, string | number | null>>

/** What happens in the gateway: a line on stdout for each event, and the same to whoever listens by HTTP. */
export class Events {
  readonly #listeners = new Set<ServerResponse>()

  tell(event: string, details: Details): void {
    const told = Object.entries(details).map(([name, value]) => `${name}=${value}`)
    console.log(`${new Date().toISOString()} ${event}: ${told.join(' ')}`)
    const data = `data: ${JSON.stringify({ event, ...details })}\n\n`
    for (const listener of this.#listeners) listener.write(data)
  }

  /** Server-sent events, until the client goes. */
  listen(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(': listening\n\n')
    this.#listeners.add(response)
    response.once('close', () => this.#listeners.delete(response))
  }
}
