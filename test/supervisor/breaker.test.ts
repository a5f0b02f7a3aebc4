import { type CoppiceError, openSupervisor, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

const never = () => new Promise<never>(() => {})

async function timesOut(supervisor: Supervisor, session: string): Promise<void> {
  const outcome = await supervisor.start({ session, timeout: 1, grace: 0 }, never).outcome
  expect(outcome).toMatchObject({ state: 'timed_out' })
}

const refusalOf = (supervisor: Supervisor, session: string) =>
  supervisor.run({ session }, () => expect.fail('ran')).catch((error: CoppiceError) => error)

describe('case 35: repeated failures open the session’s breaker', () => {
  test('refused at once with since when, why and until when, also by processes that ask for none; others are not touched', async ({
    scene,
  }) => {
    const breaker = { failures: 2, cooldown: '10m' } as const
    const supervisor = await openSupervisor({ state: scene.state, breaker })
    for (const _ of [1, 2]) await timesOut(supervisor, 'k')
    const refused = supervisor.start({ session: 'k' }, () => expect.fail('ran'))
    const error = await refused.result.catch((thrown: CoppiceError) => thrown)
    expect(error).toMatchObject({
      code: 'breaker_open',
      session: 'k',
      since: expect.stringMatching(/^\d{4}-/),
      why: expect.stringContaining('2 failures in a row'),
    })
    const { retryAfterMs = 0 } = error as CoppiceError
    expect(retryAfterMs).toBeGreaterThan(9 * 60_000)
    expect(retryAfterMs).toBeLessThanOrEqual(10 * 60_000)
    expect(await refused.outcome).toMatchObject({ state: 'refused', cause: 'breaker_open' })
    expect((await supervisor.show(refused.id))?.outcome).toEqual(await refused.outcome)

    const { code, stderr } = await scene.coppice(['run', '--session', 'k', '--', 'true']).exited
    expect(code).toBe(75)
    expect(stderr).toContain('the breaker of its session is open: open since')
    expect(await supervisor.run({ session: 'l' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  test('one trial closes it after the cooldown; meanwhile the others are refused', async ({ scene }) => {
    const breaker = { failures: 1, cooldown: '3s' } as const
    const supervisor = await openSupervisor({ state: scene.state, breaker })
    await timesOut(supervisor, 'k')
    expect(await refusalOf(supervisor, 'k')).toMatchObject({ code: 'breaker_open' })
    const trial = await eventually(() => supervisor.begin({ session: 'k' }))
    const [session] = await supervisor.sessions()
    expect(session).toMatchObject({ session: 'k', breaker: { state: 'trial', failures: 1, trial: trial.id } })
    expect(await refusalOf(supervisor, 'k')).toMatchObject({
      code: 'breaker_open',
      holder: trial.id,
      retryAfterMs: 3_000,
    })
    await trial.end()
    expect(await supervisor.breaker('k')).toBeNull()
    expect(await supervisor.run({ session: 'k' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  const soon = { failures: 1, cooldown: '10m' } as const

  test('P8: those that wait when it opens are refused, and told so', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, breaker: soon })
    const stuck = supervisor.start({ session: 'k', timeout: '300ms', grace: 0 }, never)
    const waiting = [1, 2].map(() => supervisor.start({ session: 'k' }, () => expect.fail('ran')))
    await stuck.outcome
    // Some turns of the keeper, and none of the seconds after which it would have looked by itself.
    for (let turn = 0; turn < 20; turn++) await supervisor.show(stuck.id)
    expect(waiting.map(({ state }) => state)).toEqual(['refused', 'refused'])
    for (const run of waiting) {
      await expect(run.result).rejects.toMatchObject({
        code: 'breaker_open',
        since: expect.any(String),
        why: expect.stringContaining(stuck.id),
        retryAfterMs: expect.any(Number),
      })
      expect(await run.outcome).toMatchObject({ state: 'refused', cause: 'breaker_open' })
    }
    await supervisor.close()
  })

  test('P8: so are those of other processes', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, breaker: soon })
    const stuck = await supervisor.begin({ session: 'k', breaker: { failures: 1, counts: ['failed'] } })
    const elsewhere = scene.coppice(['run', '--session', 'k', '--', 'true'])
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    await stuck.end({ error: new Error('enough') })
    const { code, stderr } = await elsewhere.exited
    expect(code).toBe(75)
    expect(stderr).toContain(stuck.id)
    await supervisor.close()
  })

  test('P9: a trial whose process dies has failed, though nobody waits for its session', async ({
    scene,
  }) => {
    const breaker = { failures: 1, cooldown: 0 } as const
    const supervisor = await openSupervisor({ state: scene.state, breaker })
    await timesOut(supervisor, 'k')
    const host = scene.host('host-holds-a-session.mjs', ['k'])
    const trial = await host.lines.after('ready ')
    expect(await supervisor.breaker('k')).toMatchObject({ state: 'trial', trial })
    process.kill(host.pid, 'SIGKILL')
    await host.died
    expect(await refusalOf(supervisor, 'k')).toMatchObject({ code: 'breaker_open', holder: trial })
    await eventually(async () => (await supervisor.breaker('k'))?.failures === 2, { within: 20_000 })
    expect((await supervisor.show(trial))?.outcome).toMatchObject({ state: 'lost' })
    expect(await supervisor.run({ session: 'k' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  test('of a run alone, and against a supervisor’s that is not to count for it', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, breaker: { failures: 1 } })
    const off = supervisor.start({ session: 'k', breaker: false, timeout: 1, grace: 0 }, never)
    await off.outcome
    expect(await supervisor.breaker('k')).toBeNull()
    const own = { failures: 1, counts: ['failed'] } as const
    const failed = supervisor.run({ session: 'k', breaker: own }, () => Promise.reject(new Error('529')))
    await expect(failed).rejects.toThrow('529')
    expect(await supervisor.breaker('k')).toMatchObject({ state: 'open', failures: 1 })
    await supervisor.close()
  })

  test('an operator sees it and closes it, by the library and by the command', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, breaker: { failures: 1 } })
    const ask = async (...args: string[]) => (await scene.coppice(['breaker', ...args]).exited).stdout
    expect(await ask('k')).toBe('closed, no failures\n')
    expect(JSON.parse(await ask('k', '--json'))).toBeNull()
    await timesOut(supervisor, 'k')
    const open = await supervisor.breaker('k')
    expect(open).toMatchObject({ state: 'open', failures: 1, trial: null, retryAt: expect.any(String) })
    expect(JSON.parse(await ask('k', '--json'))).toEqual(open)
    const all = await scene.coppice(['sessions', '--json']).exited
    expect(JSON.parse(all.stdout)).toMatchObject([{ session: 'k', breaker: open }])
    expect(await ask('k')).toContain(`open since ${open?.since}: 1 failure, the last of run`)
    expect(await ask('k', '--close')).toContain('closed; it was open since')
    expect(await supervisor.run({ session: 'k' }, () => 'ran')).toBe('ran')

    await timesOut(supervisor, 'k')
    expect(await supervisor.closeBreaker('k')).toMatchObject({ state: 'open' })
    expect(await supervisor.closeBreaker('k')).toBeNull()
    expect(await supervisor.run({ session: 'k' }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })
})
