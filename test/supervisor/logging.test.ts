import { renameSync } from 'node:fs'
import { type Logger, openSupervisor } from 'coppice'
import { expect } from 'vitest'
import { HostLog } from '#src/supervisor/keeper/host-log.js'
import { eventually } from '../support/eventually.ts'
import { collectingLog } from '../support/log.ts'
import { test } from '../support/scene.ts'

const [debug, info, warn, error] = [20, 30, 40, 50]
const uniform = { time: expect.any(Number), supervisor: expect.stringMatching(/^s/) }

test('a line for each transition of a run, with its numbers, through children that name it; none for an entry, a look or a renewal', async ({
  scene,
}) => {
  const { logger, lines, of } = collectingLog()
  const supervisor = await openSupervisor({ state: scene.state, logger, ttl: '1s', containment: 'group' })
  const holder = supervisor.start({ session: 'a' }, async (run) => {
    // Several renewals of a lease of a second, which a tree by group does not need, and a look of the lookout.
    const begun = performance.now()
    for (let i = 0; performance.now() - begun < 2500; i++) {
      await run.append(i)
      await run.check()
      await eventually(() => performance.now() - begun > i * 100)
    }
    return (await run.exec('true')).ok
  })
  await eventually(() => holder.state === 'running')
  const waiter = supervisor.start({ session: 'a' }, () => {
    throw new Error('on purpose')
  })
  await Promise.all([holder.outcome, waiter.outcome])
  await supervisor.close()

  const run = { ...uniform, run: holder.id, session: 'a' }
  const tree = { ...run, tree: `${holder.id}.1` }
  const wait = { level: info, from: 'waiting', to: 'running', msg: 'run begins', fence: 1 }
  const launched = { level: debug, msg: 'tree launched', command: 'true', containment: expect.any(String) }
  const ended = { level: debug, msg: 'tree ended', ended: 'exited', code: 0, signal: null, forced: false }
  const stops = { level: debug, msg: 'run stops', from: 'running', to: 'stopping', cause: 'returned' }
  const end = { level: info, msg: 'run ended', from: 'stopping', to: 'succeeded', cause: 'returned' }
  // A busy host takes them later, and says so.
  expect(of(holder.id).map(({ lateMs: _, ...line }) => line)).toEqual([
    { ...run, ...wait, waitedMs: expect.any(Number) },
    { ...tree, ...launched, pid: expect.any(Number) },
    {
      ...tree,
      ...ended,
      killed: 0,
      proof: expect.any(String),
      survivors: 0,
      durationMs: expect.any(Number),
    },
    { ...run, ...stops, message: null, graceMs: 5000, trees: 0 },
    {
      ...run,
      ...end,
      message: null,
      fence: 1,
      forced: false,
      trees: 1,
      proof: expect.any(String),
      survivors: 0,
      waitedMs: expect.any(Number),
      durationMs: expect.any(Number),
    },
  ])
  expect(of(waiter.id)).toMatchObject([
    { level: info, to: 'waiting', holder: holder.id, queueLength: 1, session: 'a' },
    { level: info, from: 'waiting', to: 'running', fence: 2 },
    { level: info, to: 'stopping', cause: 'threw', message: 'on purpose' },
    { level: warn, to: 'failed', cause: 'threw', message: 'on purpose' },
  ])
  const waited = of(waiter.id)[1]?.waitedMs
  expect(waited).toBeGreaterThan(1000)
  expect(waited).toBeLessThan(60_000)
  const others = lines.filter((line) => line.run === undefined).map(({ lateMs: _, ...line }) => line)
  expect(others).toEqual([
    { ...uniform, level: info, msg: 'supervisor closes', runs: 0, drainMs: 0 },
    { ...uniform, level: info, msg: 'supervisor closed', unfinished: 0 },
  ])
})

test('what ended badly is said louder, and a callback that was left behind has a line', async ({ scene }) => {
  const { logger, of } = collectingLog('warn')
  const supervisor = await openSupervisor({ state: scene.state, logger, grace: '100ms' })
  const hung = supervisor.start({ session: 'a', timeout: '100ms' }, () => new Promise(() => {}))
  const good = supervisor.start({ session: 'b' }, () => 1)
  await Promise.all([hung.outcome, good.outcome])
  await supervisor.close()
  expect(of(hung.id)).toMatchObject([
    { level: warn, to: 'timed_out', cause: 'timed_out' },
    { level: warn, msg: 'a callback was left behind', state: 'timed_out' },
  ])
  expect(of(good.id)).toEqual([])
})

test('trouble with the store has one line when it begins and one when it ends, however often it is tried', async ({
  scene,
}) => {
  const { logger, lines } = collectingLog('warn')
  const supervisor = await openSupervisor({ state: scene.state, logger, ttl: '1s' })
  const away = `${scene.state}.away`
  renameSync(scene.state, away)
  const begun = performance.now()
  for (let i = 0; i < 5; i++) await supervisor.run({ session: 'a' }, () => 1).catch(() => {})
  // Three renewals at least, of a lease of a second, fail meanwhile.
  await eventually(() => performance.now() - begun > 1_400)
  renameSync(away, scene.state)
  expect(await supervisor.run({ session: 'a' }, () => 2)).toBe(2)
  await supervisor.close()
  const about = lines.filter(({ path }) => path === scene.state)
  expect(about).toMatchObject([
    {
      level: error,
      msg: 'the store takes no writes',
      err: { type: 'CoppiceError', code: 'store_unavailable' },
    },
    { level: warn, msg: 'the store takes writes again', troubleMs: expect.any(Number) },
  ])
  const said = lines.map(({ msg }) => msg)
  expect(said).toContain('trouble with what supervisors share')
  expect(said.length, said.join(', ')).toBe(new Set(said).size)
})

test('P9: a takeover has its lines: whose run it was, and what became of it', async ({ scene }) => {
  const dead = scene.host('host-holds-a-session.mjs', ['held'])
  const run = (await dead.lines.after('ready ')).trim()
  dead.child.kill('SIGKILL')
  await dead.died
  const { logger, of } = collectingLog('warn')
  const supervisor = await openSupervisor({ state: scene.state, logger, grace: '100ms' })
  expect(await supervisor.run({ session: 'held' }, () => 'free')).toBe('free')
  await supervisor.close()
  expect(of(run)).toMatchObject([
    { msg: 'run taken over', session: 'held', pid: dead.pid, why: expect.stringContaining('was gone') },
    {
      msg: 'run recovered',
      to: 'lost',
      cause: 'lost',
      killed: expect.any(Number),
      proof: expect.any(String),
    },
  ])
})

test('P7: a logger that throws ends nothing, and does not vanish', async ({ scene }) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const throws = () => {
    throw new Error('the disk of the log is full')
  }
  const logger: Logger = { child: () => logger, debug: throws, info: throws, warn: throws, error: throws }
  const supervisor = await openSupervisor({ state: scene.state, logger })
  expect(await supervisor.run({ session: 'a' }, () => 'ran')).toBe('ran')
  await supervisor.close()
  await eventually(() => warnings.length > 0)
  process.off('warning', onWarning)
  expect(warnings).toMatchObject([{ name: 'CoppiceWarning', message: 'the logger of a supervisor threw' }])
})

test('P7: lines of what happens while the host’s loop is blocked come when it is free again, and say how late they are', async ({
  scene,
}) => {
  const host = scene.host('host-logs-while-blocked.mjs')
  const { code, stdout } = await host.exited
  expect(code).toBe(0)
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  const [begins, ended] = [
    lines.find(({ msg }) => msg === 'run begins'),
    lines.find(({ to }) => to === 'timed_out'),
  ]
  expect(begins.lateMs ?? 0).toBeLessThan(ended.lateMs)
  expect(ended).toMatchObject({ level: warn, cause: 'timed_out', session: 'a' })
  // It was blocked for 7 s, of which the run took 2 and its grace 100 ms.
  expect(ended.lateMs).toBeGreaterThan(1_000)
  expect(ended.lateMs).toBeLessThan(30_000)
})

test('of a host that takes its lines none is dropped, however many there are in all', async ({ scene }) => {
  const { logger, lines } = collectingLog()
  const supervisor = await openSupervisor({ state: scene.state, logger })
  const runs = 500
  for (let i = 0; i < runs; i += 50)
    await Promise.all(Array.from({ length: 50 }, (_, j) => supervisor.run({ session: `s${j}` }, () => i)))
  await supervisor.close()
  // It begins, stops and ends.
  expect(lines.filter(({ run }) => run !== undefined)).toHaveLength(3 * runs)
  expect(lines.filter(({ dropped }) => dropped !== undefined)).toEqual([])
})

test('what is no logger is refused by what it lacks', async ({ scene }) => {
  const opened = openSupervisor({ state: scene.state, logger: { info() {} } as unknown as Logger })
  await expect(opened).rejects.toMatchObject({ code: 'invalid_option', message: /no method child/ })
})

test('P7: while the host takes no lines, a thousand of them wait, the rest is dropped, and its number is told', () => {
  const sent: Array<{ message: string; fields: object }> = []
  const log = new HostLog('s1', 'info', (message) => {
    if (message.type === 'log') sent.push(message)
  })
  for (let i = 0; i < 1700; i++) log.info({ i }, 'line')
  log.debug({}, 'below the level that the host’s logger writes')
  expect(sent).toHaveLength(1000)
  log.taken(100)
  expect(sent.slice(1000)).toMatchObject([{ level: 'warn', fields: { dropped: 700 } }])
  log.info({ i: 'next' }, 'line')
  expect(sent.at(-1)).toMatchObject({ message: 'line', fields: { i: 'next' } })
})
