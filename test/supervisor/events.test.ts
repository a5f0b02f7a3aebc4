import { renameSync } from 'node:fs'
import {
  type LeftBehind,
  openSupervisor,
  type Recovered,
  type StallWarning,
  type StoreTrouble,
  type Transition,
} from 'coppice'
import { expect } from 'vitest'
import { openLog } from '#src/supervisor/keeper/log.js'
import { News } from '#src/supervisor/keeper/news.js'
import { SupervisedRun } from '#src/supervisor/keeper/run.js'
import { eventually } from '../support/eventually.ts'
import { collectingLog } from '../support/log.ts'
import { test } from '../support/scene.ts'

const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/)

test('transition: every state that a run goes through, with its numbers, until the listener is taken off', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state, grace: '100ms' })
  const seen: Transition[] = []
  const listener = (event: Transition) => seen.push(event)
  supervisor.on('transition', listener)
  const holder = await supervisor.begin({ session: 'a' })
  const waiter = supervisor.start({ session: 'a' }, () => 'done')
  const impatient = supervisor.start({ session: 'a', wait: '50ms' }, () => 1)
  await impatient.outcome
  await holder.cancel('enough')
  const outcome = await waiter.outcome
  supervisor.off('transition', listener)
  await supervisor.run({ session: 'a' }, () => 'unseen')
  await supervisor.close()

  const of = (run: string) => seen.filter((event) => event.run === run)
  const fresh = { session: 'a', cause: null, message: null, durationMs: null, at: iso }
  expect(of(holder.id)).toEqual([
    { run: holder.id, ...fresh, from: 'waiting', to: 'running', fence: 1, waitedMs: expect.any(Number) },
    {
      run: holder.id,
      ...fresh,
      from: 'running',
      to: 'stopping',
      cause: 'cancelled',
      message: 'enough',
      fence: 1,
      waitedMs: expect.any(Number),
    },
    {
      run: holder.id,
      ...fresh,
      from: 'stopping',
      to: 'cancelled',
      cause: 'cancelled',
      message: 'enough',
      fence: 1,
      waitedMs: expect.any(Number),
      durationMs: expect.any(Number),
    },
  ])
  expect(of(waiter.id)).toMatchObject([
    { from: null, to: 'waiting', fence: null, waitedMs: null },
    { from: 'waiting', to: 'running', fence: 2 },
    { from: 'running', to: 'stopping', cause: 'returned' },
    { from: 'stopping', to: 'succeeded', cause: 'returned', durationMs: outcome.durationMs },
  ])
  expect(of(impatient.id)).toMatchObject([
    { from: null, to: 'waiting' },
    { from: 'waiting', to: 'refused', cause: 'busy', fence: null },
  ])
  expect(new Set(seen.map(({ run }) => run))).toEqual(new Set([holder.id, waiter.id, impatient.id]))
})

test('stallWarning: at half of the time after which a run without progress is stalled, once', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state, grace: '100ms' })
  const seen: StallWarning[] = []
  supervisor.on('stallWarning', (event) => seen.push(event))
  const still = supervisor.start({ session: 'a', stallTimeout: '600ms' }, (run) => run.exec('sleep', ['600']))
  expect(await still.outcome).toMatchObject({ state: 'stalled' })
  await supervisor.close()
  const doing = expect.stringContaining('sleep 600')
  expect(seen).toEqual([{ run: still.id, session: 'a', idleMs: expect.any(Number), doing, at: iso }])
  expect(seen[0]?.idleMs).toBeGreaterThanOrEqual(300)
})

test('leftBehind: a run that ended without its callback, and none that its callback ended', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state, grace: '100ms' })
  const seen: LeftBehind[] = []
  supervisor.on('leftBehind', (event) => seen.push(event))
  const hung = supervisor.start({ session: 'a', timeout: '100ms' }, () => new Promise(() => {}))
  const waiting = supervisor.start({ session: 'a', wait: '10ms' }, () => 'never called')
  await Promise.all([hung.outcome, waiting.outcome, supervisor.run({ session: 'b' }, () => 1)])
  await supervisor.close()
  expect(seen).toEqual([
    {
      run: hung.id,
      session: 'a',
      fence: 1,
      state: 'timed_out',
      cause: 'timed_out',
      durationMs: expect.any(Number),
      at: iso,
    },
  ])
})

test('P9: recovered, also what a supervisor recovers as it opens: whose run it was and how many it had to kill', async ({
  scene,
}) => {
  const dead = scene.host('host-holds-a-session.mjs', ['held'])
  const run = (await dead.lines.after('ready ')).trim()
  dead.child.kill('SIGKILL')
  await dead.died
  const recovered = Promise.withResolvers<Recovered>()
  const supervisor = await openSupervisor({ state: scene.state, on: { recovered: recovered.resolve } })
  expect(await recovered.promise).toEqual({
    run,
    session: 'held',
    from: { supervisor: expect.stringMatching(/^s/), host: expect.any(String), pid: dead.pid },
    state: 'lost',
    cause: 'lost',
    killed: expect.any(Number),
    proof: expect.any(String),
    at: iso,
  })
  expect(await supervisor.run({ session: 'held', ifBusy: 'refuse' }, () => scene.living())).toEqual([])
  await supervisor.close()
})

test('storeTrouble: once when writes fail and once when they work again, with the same since', async ({
  scene,
}) => {
  const supervisor = await openSupervisor({ state: scene.state, ttl: '1s' })
  const seen: StoreTrouble[] = []
  supervisor.on('storeTrouble', (event) => seen.push(event))
  await supervisor.run({ session: 'a' }, () => 1)
  const away = `${scene.state}.away`
  renameSync(scene.state, away)
  // Nobody asks anything of the store: it is the renewal that fails, and the next that works.
  await eventually(() => seen.length === 1)
  for (let i = 0; i < 3; i++) await supervisor.run({ session: 'a' }, () => 1).catch(() => {})
  renameSync(away, scene.state)
  await eventually(() => seen.length === 2)
  await supervisor.run({ session: 'a' }, () => 1)
  await supervisor.close()
  const since = seen[0]?.since
  const error = expect.stringContaining(scene.state)
  expect(seen).toEqual([
    { path: scene.state, since, error, ended: false, at: since },
    { path: scene.state, since, error, ended: true, at: iso },
  ])
})

test('P7: a listener that throws, or rejects, ends nothing and keeps nothing from the others; it is told to the logger', async ({
  scene,
}) => {
  const { logger, lines } = collectingLog('error')
  const supervisor = await openSupervisor({ state: scene.state, logger })
  const seen: string[] = []
  supervisor.on('transition', () => {
    throw new Error('at once')
  })
  supervisor.once('transition', async () => {
    throw new Error('later')
  })
  supervisor.on('transition', ({ to }) => seen.push(to))
  expect(await supervisor.run({ session: 'a' }, () => 'ran')).toBe('ran')
  await supervisor.close()
  expect(seen).toEqual(['running', 'stopping', 'succeeded'])
  const told = lines.map(({ event, err, msg }) => [event, (err as Error).message, msg])
  const what = 'a listener to transition threw'
  expect(told.sort()).toEqual([
    ...Array.from({ length: 3 }, () => ['transition', 'at once', what]),
    ['transition', 'later', what],
  ])
})

test('without a logger, a listener that throws is told as a warning of the process', async ({ scene }) => {
  const warned = Promise.withResolvers<Error>()
  const onWarning = (warning: Error) => {
    if (warning.name === 'CoppiceWarning') warned.resolve(warning)
  }
  process.on('warning', onWarning)
  const supervisor = await openSupervisor({ state: scene.state })
  supervisor.once('transition', () => {
    throw new Error('on purpose')
  })
  await supervisor.run({ session: 'a' }, () => 1)
  expect(await warned.promise).toMatchObject({
    message: 'a listener to transition threw',
    detail: expect.stringContaining('on purpose'),
  })
  process.off('warning', onWarning)
  await supervisor.close()
})

test('an event that does not exist is refused by name', async ({ scene }) => {
  const supervisor = await openSupervisor({ state: scene.state })
  expect(() => supervisor.on('transitions' as 'transition', () => {})).toThrowError(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining('stallWarning') }),
  )
  await supervisor.close()
})

test('nothing crosses to the host of what nobody listens to, and stallWarning is one line to use', async () => {
  const { log } = await openLog('silent')
  const sent: unknown[] = []
  const news = new News(log, false, (message) => void sent.push(message))
  const request = { run: 'r1', session: 'a', parent: null, request: null, labels: null, wait: null }
  const bounds = { timeout: 1, grace: 1, killBound: 1, drainBound: 1 }
  const more = { priority: 'interactive', interrupts: false, maxWaiters: 1 } as const
  const run = new SupervisedRun({ ...request, ...more, bounds } as never)
  news.admitted(run, 1)
  news.stallWarning(run, 5000, 'npm test')
  expect(sent).toEqual([])
  news.listened(['stallWarning'])
  news.admitted(run, 1)
  news.stallWarning(run, 5000, 'npm test')
  const event = { run: 'r1', session: 'a', idleMs: 5000, doing: 'npm test', at: iso }
  expect(sent).toEqual([{ type: 'event', name: 'stallWarning', event }])
})
