import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A model API that fails. The path says how: /200 answers, /529 and every other status answers so, /429?retry-after=1 with
 * that header, /reset breaks the connection off, /cut does so in the middle of a body, /never takes the request and says
 * nothing, /trickle sends a byte at a time and does not end. With `fail` all paths do what it says, until `heal`.
 */
export interface ModelServer extends AsyncDisposable {
  readonly url: string
  /** When each request came, by `performance.now()`. */
  readonly requests: number[]
  /** How many requests have neither been answered nor lost their client. */
  readonly open: number
  fail(path: string): void
  heal(): void
  /** Refuses connections, until `restart`. */
  stop(): Promise<void>
  restart(): Promise<void>
}

export async function startModelServer(): Promise<ModelServer> {
  const requests: number[] = []
  const open = new Set<ServerResponse>()
  let failing: string | null = null
  const server = createServer((request, response) => {
    requests.push(performance.now())
    open.add(response.once('close', () => open.delete(response)))
    answer(new URL(failing ?? request.url ?? '/200', 'http://model'), request, response)
  })
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    get open() {
      return open.size
    },
    fail: (path) => (failing = path),
    heal: () => (failing = '/200'),
    stop: () => stop(server),
    restart: () => listen(port),
    [Symbol.asyncDispose]: () => stop(server),
  }
}

function answer({ pathname, searchParams }: URL, request: IncomingMessage, response: ServerResponse): void {
  const headers = { 'content-type': 'application/json', ...Object.fromEntries(searchParams) }
  if (pathname === '/never') return
  if (pathname === '/reset') return void request.socket.resetAndDestroy()
  if (pathname === '/cut') {
    response.writeHead(200, headers)
    response.write('{"text": "half an', () => request.socket.resetAndDestroy())
    return
  }
  if (pathname === '/trickle') {
    response.writeHead(200, headers)
    const drip = setInterval(() => response.write(' '), 10)
    response.once('close', () => clearInterval(drip))
    return
  }
  const status = Number(pathname.slice(1))
  response.writeHead(status, headers)
  response.end(
    JSON.stringify(status === 200 ? { text: 'the answer' } : { error: { type: 'overloaded_error' } }),
  )
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
