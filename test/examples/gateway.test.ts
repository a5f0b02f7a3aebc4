import { fileURLToPath } from 'node:url'
import type { Outcome, RunView, TranscriptItem } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Scene, type Started, test } from '../support/scene.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Gateway {
  readonly process: Started
  readonly pid: number
  readonly model: string
  get<T>(path: string): Promise<T>
  post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }>
  /** The model's failures: all kinds of them, none, or nothing else. */
  weather(weather: 'foul' | 'fair' | 'down'): Promise<void>
}

/** As a user starts it, but for the traffic, and without the build, which would pull dist from under other tests. */
async function startGateway(scene: Scene, ...args: string[]): Promise<Gateway> {
  const script = 'cd "$1" && shift && exec npm run --silent --ignore-scripts example:gateway -- "$@"'
  const process = scene.bash(script, [root, '--port', '0', '--state', scene.state, ...args])
  const line = await process.lines.with(' open: ')
  const told = Object.fromEntries([...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]))
  const { gateway = '', model = '' } = told
  return {
    process,
    pid: Number(told.pid),
    model,
    get: async <T>(path: string) => (await (await fetch(`${gateway}${path}`)).json()) as T,
    async post(path, body) {
      const response = await fetch(`${gateway}${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    async weather(weather) {
      await fetch(`${model}/weather`, { method: 'PUT', body: JSON.stringify(weather) })
    },
  }
}

/** Ctrl-C; resolves when it has exited, with how long its close took: npm and the system take their time as well. */
async function interrupt({ process: { exited, lines }, pid }: Gateway): Promise<number> {
  process.kill(pid, 'SIGINT')
  const { code, stderr } = await exited
  // Runs that fail and that are recovered are what it is about, and stand there as warnings.
  const complaints = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{"level":40,'))
  expect({ code, complaints }).toEqual({ code: 0, complaints: [] })
  const [, ms] =
    / closed: ms=(\d+)/.exec(lines.all.at(-1) ?? '') ?? expect.fail('it did not say that it closed')
  return Number(ms)
}

const endingsOf = (transcript: readonly TranscriptItem[]): Outcome[] =>
  transcript.flatMap((item) => (item.kind === 'ending' ? [item.outcome] : []))

const sessions = Array.from({ length: 20 }, (_, at) => `user-${at}`)
const asked = ['please list and search', 'slow, then broken', 'stubborn and forks'] as const

describe('the example gateway', () => {
  test('P2, P8, case 21: twenty sessions, a model that fails in every way: one ending for each message, and every session works afterwards', async ({
    scene,
  }) => {
    const gateway = await startGateway(scene, '--no-traffic', '--seed', '7')
    const accepted = await Promise.all(
      sessions.flatMap((session) =>
        asked.map((text, at) =>
          gateway.post(`/sessions/${session}/messages`, { id: `${session}.${at}`, text }),
        ),
      ),
    )
    expect(accepted.filter(({ status }) => status !== 202)).toEqual([])
    await eventually(
      async () =>
        (await gateway.get<{ state: string }[]>('/sessions')).every(({ state }) => state === 'free'),
      { within: 240_000, every: 200 },
    )
    for (const session of sessions) {
      const endings = endingsOf(await gateway.get(`/sessions/${session}/transcript`))
      expect(endings.map(({ request }) => request)).toEqual(asked.map((_, at) => `${session}.${at}`))
    }
    const endings = () => gateway.process.lines.all.filter((line) => line.includes(' ended: '))
    await eventually(() => endings().length >= accepted.length)
    const told = endings()
    expect(told).toHaveLength(accepted.length)
    // Three or more calls of the model each, of which seven in twelve fail: without another attempt few would succeed.
    expect(told.filter((line) => line.includes('state=succeeded')).length).toBeGreaterThan(told.length / 2)
    const failures = gateway.process.lines.all.filter((line) => line.includes(' model failed: ')).join('\n')
    for (const way of ['429', '500', '529', 'fetch failed', 'terminated', 'took longer than 1s'])
      expect(failures).toContain(way)

    await gateway.weather('fair')
    await Promise.all(
      sessions.map((session) =>
        gateway.post(`/sessions/${session}/messages`, { id: `${session}.last`, text: 'and?' }),
      ),
    )
    const answers = () => gateway.process.lines.all.filter((line) => /message=\S+\.last .*state=/.test(line))
    await eventually(() => answers().length === sessions.length, { within: 60_000 })
    for (const line of answers()) expect(line).toContain('answer=I remember 4 of your messages.')
    expect(await interrupt(gateway)).toBeLessThan(9_000)
    expect(scene.living()).toEqual([])
  }, 400_000)

  test('P4, P5: Ctrl-C in the middle ends it within 9 s, tools that do not listen included, and each run is told', async ({
    scene,
  }) => {
    const gateway = await startGateway(scene, '--no-traffic')
    await gateway.weather('fair')
    for (const session of sessions) {
      const body = { id: session, text: 'stubborn' }
      expect(await gateway.post(`/sessions/${session}/messages`, body)).toMatchObject({ status: 202 })
    }
    await gateway.process.lines.with(' tool: ')
    expect(await interrupt(gateway)).toBeLessThan(9_000)
    const told = gateway.process.lines.all.filter((line) => line.includes(' ended: '))
    expect(told).toHaveLength(sessions.length)
    expect(scene.living()).toEqual([])
  })

  test('P8, P9, case 30: killed in the middle and started again: what was accepted is told as lost, and run again, and its session goes on', async ({
    scene,
  }) => {
    const first = await startGateway(scene, '--no-traffic')
    await first.weather('fair')
    const taken = await first.post('/sessions/user-0/messages', { id: 'before', text: 'stubborn' })
    await first.process.lines.with('tool=stubborn')
    process.kill(first.pid, 'SIGKILL')
    await first.process.exited

    const second = await startGateway(scene, '--no-traffic')
    await second.weather('fair')
    expect(await second.process.lines.with(' ended: ')).toMatch(/message=before state=lost .*again=yes/)
    const next = await second.post('/sessions/user-0/messages', { id: 'after', text: 'forks' })
    const { run } = next.body
    await second.process.lines.with(`run=${run} message=after state=succeeded`)
    const runs = await second.get<RunView[]>('/runs')
    const ofBefore = runs.find(({ request, state }) => request === 'before' && state === 'succeeded')
    expect(runs.map(({ run, state }) => ({ run, state }))).toEqual(
      expect.arrayContaining([
        { run, state: 'succeeded' },
        { run: ofBefore?.run, state: 'succeeded' },
        { run: taken.body.run, state: 'lost' },
      ]),
    )
    expect(runs).toHaveLength(3)
    // What was said twice by the gateway, the user has said once.
    expect(second.process.lines.all.join('\n')).toContain('I remember 2 of your messages.')
    expect(await interrupt(second)).toBeLessThan(9_000)
    expect(scene.living()).toEqual([])
  })

  test('P8: a message that comes twice is one, and how it ended is told once', async ({ scene }) => {
    const gateway = await startGateway(scene, '--no-traffic')
    await gateway.weather('fair')
    const message = { id: 'twice', text: 'please list' }
    const [one, two] = await Promise.all([
      gateway.post('/sessions/a/messages', message),
      gateway.post('/sessions/a/messages', message),
    ])
    expect([one?.status, two?.status]).toEqual([202, 202])
    await gateway.process.lines.with('message=twice state=succeeded')
    const late = await gateway.post('/sessions/a/messages', message)
    expect(late.body.run).toBe(one?.body.run)
    expect(two?.body.run).toBe(one?.body.run)
    expect(await gateway.get<RunView[]>('/runs')).toHaveLength(1)
    await interrupt(gateway)
    expect(gateway.process.lines.all.filter((line) => line.includes(' ended: '))).toHaveLength(1)
  })

  test('a message that is none, a session that nobody holds and a path that there is not are refused', async ({
    scene,
  }) => {
    const gateway = await startGateway(scene, '--no-traffic')
    expect(await gateway.post('/sessions/a/messages', { text: 'no id' })).toMatchObject({ status: 400 })
    expect(await gateway.post('/sessions/a/cancel', {})).toMatchObject({ status: 409 })
    expect(await gateway.post('/elsewhere', {})).toMatchObject({ status: 404 })
    await interrupt(gateway)
  })
})
