import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { type Ending, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Scene, type Started, test } from '../support/scene.ts'

const sessions = Array.from({ length: 25 }, (_, at) => `user-${at}`)
const perSession = 20
/** The messages of each session: these while there is one gateway, those while there are two, the others after that. */
const [first, second] = [6, 13]
/** In these sessions a run is under way that does not end by itself when the old gateway is killed. */
const held = sessions.slice(0, 5)

const idOf = (session: string, at: number) => `${session}/${at}`

interface Gateway {
  readonly process: Started
  readonly url: string
}

async function startGateway(scene: Scene, client: string, ...how: string[]): Promise<Gateway> {
  const process = scene.host('gateway-by-http.mjs', [client, ...how], { stdin: 'pipe' })
  return { process, url: `http://127.0.0.1:${await process.lines.after('open ')}` }
}

type Told = Pick<Ending, 'outcome' | 'request' | 'messages'>

/** Whom gateways tell how messages ended. Now and then it is away, and is told again. */
class Client implements AsyncDisposable {
  readonly told: Told[] = []
  #asked = 0
  readonly #server = createServer(async (request, response) => {
    const told = (await json(request)) as Told
    this.#asked += 1
    if (this.#asked % 11 === 0) return void response.writeHead(500).end()
    this.told.push(told)
    response.end()
  })

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Each ending once, in the order in which they came first. */
  get endings(): Told[] {
    const byRun = new Map<string, Told>()
    for (const told of this.told) if (!byRun.has(told.outcome.run)) byRun.set(told.outcome.run, told)
    return [...byRun.values()]
  }

  /** Those after which nothing more becomes of their message. */
  get last(): Told[] {
    return this.endings.filter(({ request }) => request?.pending === false)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** What stands before the gateways: whoever is closed, or gone, is not asked again, and the other gets the same message. */
class Load {
  readonly gateways: Gateway[] = []
  readonly accepted: string[] = []
  readonly states: string[] = []
  #turn = 0

  /** Sends the messages `from` to `to` of every session, of all sessions at once and in each one after the other. */
  async send(from: number, to: number): Promise<void> {
    const ofSession = async (session: string) => {
      for (let at = from; at < to; at++) {
        const message = { session, id: idOf(session, at), text: isHeld(session, at) ? 'hold' : 'go on' }
        // Webhooks come twice now and then, at once.
        await Promise.all(Array.from({ length: at % 7 === 0 ? 2 : 1 }, () => this.#accept(message)))
        this.accepted.push(message.id)
      }
    }
    await Promise.all(sessions.map(ofSession))
  }

  async #accept(message: object): Promise<void> {
    for (;;) {
      const gateway = this.gateways[this.#turn++ % this.gateways.length]
      if (gateway === undefined) throw new Error('there is no gateway any more')
      const body = JSON.stringify(message)
      const response = await fetch(`${gateway.url}/messages`, { method: 'POST', body }).catch(
        (error: { cause?: { code?: string } }) => error.cause?.code ?? String(error),
      )
      // A connection that was cut says nothing of the message: sent again, it is the same one.
      if (typeof response === 'string' && response !== 'ECONNREFUSED') continue
      if (typeof response === 'object' && response.status === 202) {
        this.states.push(((await response.json()) as { state: string }).state)
        return
      }
      if (typeof response === 'object' && response.status !== 503) throw new Error(await response.text())
      const at = this.gateways.indexOf(gateway)
      if (at !== -1) this.gateways.splice(at, 1)
    }
  }
}

const isHeld = (session: string, at: number) => held.includes(session) && at === 3

describe('a rolling deploy', () => {
  test('P8: of 500 messages each has one last ending that its client heard, in order per session, though the old gateway is killed while it closes', async ({
    scene,
  }) => {
    await using client = new Client()
    const url = await client.open()
    const load = new Load()
    const old = await startGateway(scene, url, 'holds')
    load.gateways.push(old)
    await load.send(0, first)
    for (const session of held) await old.process.lines.with(`holding ${idOf(session, 3)}`)

    const next = await startGateway(scene, url)
    load.gateways.push(next)
    const both = load.send(first, second)
    await eventually(() => load.accepted.length >= sessions.length * (first + 1))
    old.process.child.stdin?.write('close\n')
    await old.process.lines.with('closing')
    await both
    const rest = load.send(second, perSession)
    await eventually(() => load.accepted.length >= sessions.length * (second + 2))
    old.process.child.kill('SIGKILL')
    await Promise.all([old.process.exited, rest])

    const ids = sessions.flatMap((session) =>
      Array.from({ length: perSession }, (_, at) => idOf(session, at)),
    )
    expect(ids).toHaveLength(500)
    await eventually(() => client.last.length >= ids.length, { within: 60_000 })
    next.process.child.stdin?.write('close\n')
    expect(await next.process.exited).toMatchObject({ code: 0, stderr: '' })

    const last = client.last
    expect(last.map(({ request }) => request?.id).toSorted()).toEqual(ids.toSorted())
    expect(last.filter(({ outcome }) => outcome.state !== 'succeeded')).toEqual([])
    // Nothing was lost that the kill did not cost its run, and those were told as that first.
    const lost = client.endings.filter(({ outcome }) => outcome.state === 'lost')
    expect(lost.map(({ request }) => request?.id)).toEqual(
      expect.arrayContaining(held.map((session) => idOf(session, 3))),
    )
    expect(lost.filter(({ request }) => request?.pending !== true)).toEqual([])
    expect(load.states).toContain('duplicate')

    const untold = await openSupervisor({ state: scene.state })
    expect(await untold.pending()).toEqual([])
    for (const session of sessions) {
      const ofSession = client.endings.filter(({ outcome }) => outcome.session === session)
      const fences = ofSession.flatMap(({ outcome: { fence } }) => (fence === null ? [] : [fence]))
      expect(fences, session).toEqual(fences.toSorted((a, b) => a - b))
      // Who was left by no run is answered in the order in which it came.
      const again = new Set(ofSession.flatMap(({ request }) => (request?.pending ? [request.id] : [])))
      const straight = ofSession.flatMap(({ request }) =>
        request === null || again.has(request.id) ? [] : [request.id],
      )
      const sent = ids.filter((id) => id.startsWith(`${session}/`) && !again.has(id))
      expect(straight, session).toEqual(sent)
      // What was told is what stands in the transcript, in its order.
      const written = (await untold.transcript(session, { limit: 1000 })).flatMap((item) =>
        item.kind === 'ending' ? [item.outcome.run] : [],
      )
      const admitted = ofSession.filter(({ outcome }) => outcome.fence !== null)
      expect(
        admitted.map(({ outcome }) => outcome.run),
        session,
      ).toEqual(written)
    }
    await untold.close()
  }, 180_000)
})
