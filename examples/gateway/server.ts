import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { isCoppiceError } from 'coppice'
import type { Surroundings } from './agent.ts'
import { accept, type Incoming } from './messages.ts'

type Answer = readonly [status: number, body: unknown]

/**
 * POST /sessions/KEY/messages {id, text}   takes a message: 202 when it is stored
 * POST /sessions/KEY/cancel                ends the run that holds the session
 * GET  /sessions/KEY/transcript            what was said and how each run ended
 * GET  /sessions, GET /runs                who holds what, who waits
 * GET  /events                             what happens, as server-sent events
 */
export function gatewayServer(around: Surroundings): Server {
  return createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://gateway')
    if (request.method === 'GET' && pathname === '/events') return around.events.listen(response)
    const [status, body] = await route(request, pathname, around).catch(refusal)
    send(response, status, body)
  })
}

async function route(request: IncomingMessage, pathname: string, around: Surroundings): Promise<Answer> {
  const { supervisor } = around
  const [, key, what] = /^\/sessions\/([^/]+)\/(messages|cancel|transcript)$/.exec(pathname) ?? []
  const session = key === undefined ? '' : decodeURIComponent(key)
  switch (`${request.method} ${what ?? pathname}`) {
    case 'POST messages': {
      const message: unknown = await json(request).catch(() => null)
      if (!isIncoming(message)) return [400, { error: 'the body must be {"id": "…", "text": "…"}' }]
      return [202, { run: await accept(session, message, around), message: message.id }]
    }
    case 'POST cancel':
      return [200, await supervisor.cancel({ session }, 'cancelled by its user')]
    case 'GET transcript':
      return [200, await supervisor.transcript(session)]
    case 'GET /sessions':
      return [200, await supervisor.sessions()]
    case 'GET /runs':
      return [200, await supervisor.runs()]
    default:
      return [404, { error: `there is no ${request.method} ${pathname}` }]
  }
}

function refusal(error: unknown): Answer {
  if (!isCoppiceError(error)) return [500, { error: String(error) }]
  const { code, message } = error
  if (code === 'invalid_option') return [400, { error: message }]
  const unavailable = code === 'supervisor_closed' || code === 'store_unavailable'
  return [unavailable ? 503 : 409, { error: message, code }]
}

function isIncoming(message: unknown): message is Incoming {
  const { id, text } = (message ?? {}) as Partial<Incoming>
  return typeof id === 'string' && typeof text === 'string'
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
