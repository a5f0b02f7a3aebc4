import { type HealthReport, isCoppiceError, openSupervisor, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import type { KeeperLink } from '#src/supervisor/host/link.js'
import { eventually } from '../support/eventually.ts'
import { errorOf } from '../support/model.ts'
import { test } from '../support/scene.ts'

const never = () => new Promise<never>(() => {})
const whatIs = ({ reasons }: HealthReport) => reasons.map(({ what }) => what)

/** One of which the keeper has told its part: on a busy machine it may not have the time. */
function answered(supervisor: Supervisor): Promise<HealthReport> {
  return eventually(async () => {
    const report = await supervisor.health()
    return report.supervisors[0]?.health ? report : null
  }) as Promise<HealthReport>
}

describe('P10: supervisor.health()', () => {
  test('the host’s own checks run beside it, each bounded, and one that fails degrades the verdict', async ({
    scene,
  }) => {
    let aborted = false
    const supervisor = await openSupervisor({
      state: scene.state,
      healthChecks: {
        channel: () => 'connected to #ops',
        provider: async () => {
          throw new Error('529 from the model')
        },
        stuck: ({ signal }) => {
          signal.addEventListener('abort', () => {
            aborted = true
          })
          return never()
        },
      },
    })
    const report = await supervisor.health()
    expect(report.checks).toEqual({
      channel: { ok: true, tookMs: expect.any(Number), message: 'connected to #ops' },
      provider: { ok: false, tookMs: expect.any(Number), message: '529 from the model' },
      stuck: { ok: false, tookMs: expect.any(Number), message: 'no answer within 1000 ms' },
    })
    expect(aborted).toBe(true)
    // A keeper that is kept from the processor is worse than that.
    expect(report.verdict).not.toBe('ok')
    expect(
      report.reasons.filter(({ what }) => what === 'check_failed').map(({ message }) => message),
    ).toEqual(['check provider failed: 529 from the model', 'check stuck failed: no answer within 1000 ms'])
    await supervisor.close()
  })

  test('healthChecks that are no functions are refused by name', async ({ scene }) => {
    const healthChecks = { provider: 'ok' } as never
    expect(await errorOf(openSupervisor({ state: scene.state, healthChecks }))).toMatchObject({
      code: 'invalid_option',
      message: 'healthChecks: provider: string is no function',
    })
  })

  test('counts a callback that was left behind until it settles after all', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '50ms', drainBound: '50ms' })
    const settle = Promise.withResolvers<void>()
    const handle = supervisor.start({ session: 'a', timeout: '50ms' }, () => settle.promise)
    expect(await handle.outcome).toMatchObject({ callback: 'left_behind' })
    const report = await answered(supervisor)
    expect(report).toMatchObject({ leftBehind: 1, oldestLock: null, runs: { running: 0 } })
    expect(whatIs(report)).toContain('callbacks_left_behind')
    settle.resolve()
    await eventually(async () => (await supervisor.health()).leftBehind === 0)
    await supervisor.close()
  })

  test('tells an open breaker, by session', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, breaker: { failures: 1, cooldown: '10m' } })
    await supervisor.start({ session: 'a', timeout: 1, grace: 0 }, never).outcome
    const report = await answered(supervisor)
    expect(report.openBreakers).toMatchObject([{ session: 'a', state: 'open', failures: 1 }])
    expect(report.reasons.find(({ what }) => what === 'breaker_open')).toMatchObject({
      measured: 1,
      message: 'the breaker of a session is open: a',
    })
    await supervisor.closeBreaker('a')
    expect(whatIs(await supervisor.health())).not.toContain('breaker_open')
    await supervisor.close()
  })

  test('has measured how late the host’s loop was, once it turns again', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const loop = async () => (await supervisor.health()).supervisors[0]?.health?.hostLoop
    await eventually(loop)
    await eventually(async () => {
      // Of a loop that has idled the first one can come between two looks; after that it works.
      for (const until = performance.now() + 700; performance.now() < until; );
      return ((await loop())?.maxMs ?? 0) >= 500
    })
    await supervisor.close()
  })

  test('of a keeper that hangs or is dead: within two seconds, as unresponsive', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const { link } = supervisor as unknown as { link: KeeperLink }
    const call = link.call.bind(link)
    link.call = ((name: 'health', ask: never) => (name === 'health' ? never() : call(name, ask))) as never
    const since = performance.now()
    const hung = await supervisor.health()
    expect(performance.now() - since).toBeGreaterThanOrEqual(1_899)
    expect(hung).toMatchObject({
      verdict: 'unresponsive',
      reasons: [
        { what: 'supervisor_silent', message: 'this supervisor: its keeper does not answer within 1900 ms' },
      ],
    })
    link.call = call
    await link.terminate()
    const dead = await supervisor.health()
    expect(dead).toMatchObject({ verdict: 'unresponsive', runs: null, supervisors: [] })
    expect(dead.reasons[0]?.message).toMatch(/^this supervisor: the keeper died/)
    await supervisor.close()
  })

  test('rejects after a close', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.close()
    expect(isCoppiceError(await errorOf(supervisor.health()), 'supervisor_closed')).toBe(true)
  })
})
