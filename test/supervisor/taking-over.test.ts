import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isAlive, isStopped, living } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'
import type { Started } from '../support/stage.ts'

const bounds = { grace: '200ms', killBound: '500ms' } as const

async function frozenHost(scene: Scene, ttl: string) {
  const host = scene.host('host-writes-until-refused.mjs', ['held', ttl])
  const [run = '', tool] = (await host.lines.after('ready ')).split(' ')
  const alive = living(Number(tool))
  host.child.kill('SIGSTOP')
  await eventually(() => isStopped(host.pid))
  return { host, run, tool: alive }
}

/** What a supervisor sees that wakes up after another has taken its run. */
async function expectRefused(host: Started): Promise<void> {
  host.child.kill('SIGCONT')
  expect(await host.lines.after('aborted ')).toBe('run_lost')
  expect(await host.lines.after('refused ')).toMatch(/^run_(lost|ended)$/)
  expect(await host.lines.after('rejected ')).toBe('run_lost')
  expect(await host.lines.after('next '), 'and goes on with other work').toBe('ran')
  expect((await host.exited).code).toBe(0)
}

describe.skipIf(bestHere.containment === 'group')('P9: an owner that is silent', () => {
  test('case 29: loses its run after its ttl; its tree is dead by then; it commits nothing when it wakes', async ({
    scene,
  }) => {
    const { host, run, tool } = await frozenHost(scene, '6s')
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    const [seen, fence] = await supervisor.run({ session: 'held' }, async ({ fence }) => {
      expect(isAlive(tool.pid, tool.startTime), 'the old tree was dead before the new run began').toBe(false)
      return [await supervisor.show(run), fence] as const
    })
    expect(seen?.outcome).toMatchObject({
      state: 'lost',
      cause: 'lost',
      message: expect.stringContaining('did not renew its leases for 6s'),
      callback: 'left_behind',
      trees: 1,
      tree: { proof: 'empty', survivors: [] },
    })
    expect(fence, 'one for the claim, one for the new run').toBe((seen?.outcome?.fence ?? 0) + 1)
    const before = await supervisor.transcript('held')
    await expectRefused(host)
    const own = (item: { run: string }) => item.run === run
    expect((await supervisor.transcript('held')).filter(own)).toEqual(before.filter(own))
    expect((await supervisor.show(run))?.outcome).toEqual(seen?.outcome)
    await supervisor.close()
  })

  test('P6: keeps its run while it renews: a waiter goes on waiting', async ({ scene }) => {
    const host = scene.host('host-writes-until-refused.mjs', ['held', '3s'])
    const [run = ''] = (await host.lines.after('ready ')).split(' ')
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await expect(supervisor.run({ session: 'held', wait: '5s' }, () => {})).rejects.toMatchObject({
      code: 'session_busy',
      holder: run,
    })
    expect((await supervisor.show(run))?.state).toBe('running')
    await supervisor.cancel(run, { grace: 0 })
    await host.lines.after('next ')
    await supervisor.close()
  })
})

describe('an operator’s word', () => {
  test('takes a run from a supervisor that does not answer, at once, and with its cause', async ({
    scene,
  }) => {
    const { host, run, tool } = await frozenHost(scene, '10m')
    const { code, stdout, stderr } = await scene.coppice(['cancel', run, '--force', '--grace', '0', '--json'])
      .exited
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ run, state: 'cancelled', tree: { survivors: [] } })
    expect(isAlive(tool.pid, tool.startTime)).toBe(false)
    host.child.kill('SIGCONT')
    expect(await host.lines.after('aborted ')).toBe('run_lost')
    expect(await host.lines.after('outcome '), 'the truth is the stored one').toBe('cancelled')
    expect(await host.lines.after('next ')).toBe('ran')
  })

  test('takes it from one that lives, which hears of it', async ({ scene }) => {
    const host = scene.host('host-writes-until-refused.mjs', ['held', '10m'])
    const [, tool = ''] = (await host.lines.after('ready ')).split(' ')
    const { pid, startTime } = living(Number(tool))
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    expect(await supervisor.cancel({ session: 'held' }, { force: true, reason: 'now' })).toMatchObject({
      state: 'cancelled',
      message: 'now',
    })
    expect(isAlive(pid, startTime)).toBe(false)
    expect(await host.lines.after('aborted ')).toMatch(/^run_(lost|cancelled)$/)
    expect(await host.lines.after('outcome ')).toBe('cancelled')
    await supervisor.close()
  })

  test('of two operators: both hear how it ended, whoever’s word came last', async ({ scene }) => {
    const sessions = Array.from({ length: 6 }, (_, at) => `held ${at}`)
    const hosts = sessions.map((session) => scene.host('host-holds-a-session.mjs', [session]))
    const runs = await Promise.all(hosts.map((host) => host.lines.after('ready ')))
    const [first, second] = await Promise.all(
      [1, 2].map(() => openSupervisor({ state: scene.state, ...bounds })),
    )
    for (const run of runs) {
      const one = first?.cancel(run, { force: true, grace: 500 })
      // Claimed by then, and not ended: its tree has its grace.
      await eventually(async () => ((await first?.show(run))?.fence ?? 0) > 1)
      const two = second?.cancel(run, { force: true, grace: 500 })
      expect(await one).toMatchObject({ run, state: 'cancelled' })
      expect(await two).toEqual(await one)
    }
    await Promise.all([first?.close(), second?.close()])
  })
})
