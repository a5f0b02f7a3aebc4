import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { listen, stop } from '../listening.ts'
import { dealFates, type Fate } from './deck.ts'
import type { Message } from './messages.ts'
import { isWellFormed, think } from './mind.ts'

/** `foul`, the default: failures of all kinds. `fair`: none. `down`: every request is answered 529. */
const weathers = ['foul', 'fair', 'down'] as const
type Weather = (typeof weathers)[number]

export interface FakeModel {
  readonly url: string
  close(): Promise<void>
}

/**
 * A model API on a port of its own, with real failures: POST /messages is answered, or refused as rate limited (429),
 * broken (500) or overloaded (529), its connection is reset before the answer or in the middle of it, the answer comes a byte
 * at a time and does not end, or there is none at all. PUT /weather says how bad it is.
 */
export async function startFakeModel(seed: number): Promise<FakeModel> {
  const fates = dealFates(seed)
  const fateIn: Record<Weather, () => Fate> = {
    foul: () => fates.next().value,
    fair: () => 'answer',
    down: () => '529',
  }
  let weather: Weather = 'foul'
  const server = createServer(async (request, response) => {
    if (request.method === 'PUT' && request.url === '/weather') {
      const wanted = await json(request).catch(() => null)
      weather = weathers.find((one) => one === wanted) ?? weather
      return send(response, 200, weather)
    }
    const messages = (await json(request).catch(() => null)) as readonly Message[] | null
    if (request.url !== '/messages' || !Array.isArray(messages)) return send(response, 404, 'no such thing')
    if (!isWellFormed(messages)) return send(response, 400, 'a call of a tool has no result')
    meet(fateIn[weather](), messages, request, response)
  })
  return { url: await listen(server, 0), close: () => stop(server) }
}

function meet(
  fate: Fate,
  messages: readonly Message[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (fate === 'answer') return void send(response, 200, think(messages))
  if (fate === 'hang') return
  if (fate === 'reset') return void request.socket.resetAndDestroy()
  if (fate === 'cut' || fate === 'trickle') {
    response.writeHead(200, { 'content-type': 'application/json' })
    if (fate === 'cut') return void response.write('{', () => request.socket.resetAndDestroy())
    const drip = setInterval(() => response.write(' '), 50)
    response.once('close', () => clearInterval(drip))
    return
  }
  if (fate === '429') response.setHeader('retry-after', '1')
  send(response, Number(fate), { error: { type: fate === '529' ? 'overloaded_error' : 'api_error' } })
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
