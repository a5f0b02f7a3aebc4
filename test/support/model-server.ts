import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A model API that fails: /529 answers so, /reset breaks the connection off, /never takes the request and says nothing. */
export interface ModelServer extends AsyncDisposable {
  readonly url: string
}

export async function startModelServer(): Promise<ModelServer> {
  const server = createServer((request, response) => {
    if (request.url === '/reset') request.socket.resetAndDestroy()
    const status = Number(request.url?.slice(1))
    if (Number.isNaN(status)) return
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ type: 'error', error: { type: 'overloaded_error' } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => stop(server) }
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
