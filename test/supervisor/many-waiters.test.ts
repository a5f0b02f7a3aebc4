import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe('case 22: one session and many waiters', () => {
  test('P1, P8: 64 waiters of four processes: each is admitted once, in the order in which they asked', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const holder = await supervisor.begin({ session: 'shared' })
    const hosts = ['a', 'b', 'c', 'd'].map((name) => scene.host('host-counts-in-turn.mjs', [name, '16']))
    const waiting = () => supervisor.runs({ session: 'shared', state: 'waiting' })
    await eventually(async () => (await waiting()).length === 64, { within: 20_000 })
    const asked = (await waiting()).map(({ run }) => run).reverse()
    await holder.end()
    for (const host of hosts) expect(await host.exited).toMatchObject({ code: 0, stderr: '' })
    const items = (await supervisor.transcript('shared')).slice(1)
    expect(items.filter(({ kind }) => kind === 'ending').map(({ run }) => run)).toEqual(asked)
    // Each enters and leaves before the next one enters.
    expect(items.map(({ run }) => run)).toEqual(asked.flatMap((run) => [run, run, run]))
    expect(items.map(({ fence }) => fence)).toEqual(items.map((_, at) => Math.floor(at / 3) + 2))
    await supervisor.close()
  })
})

describe('case 23: other sessions', () => {
  test('P7: wait for none that is held, whether its holder hangs or a hundred wait for it', async ({
    scene,
  }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    await host.lines.after('ready ')
    const supervisor = await openSupervisor({ state: scene.state })
    const waiters = Array.from({ length: 100 }, () => supervisor.start({ session: 'held' }, () => {}))
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 100)
    // The first time such a session is a new one, and the second time one that has been held.
    for (let time = 1; time <= 2; time++) {
      const others = Array.from({ length: 50 }, (_, at) =>
        supervisor.run({ session: `other ${at}`, ifBusy: 'refuse' }, () => at),
      )
      expect(await Promise.all(others)).toEqual(others.map((_, at) => at))
      const ended = (await supervisor.runs({ state: 'succeeded' })).map(({ outcome }) => outcome?.waitedMs)
      expect(ended).toEqual(Array.from({ length: 50 * time }, () => 0))
    }
    expect(new Set(waiters.map(({ state }) => state))).toEqual(new Set(['waiting']))
    await supervisor.cancel({ session: 'held' }, { grace: 0 })
    await Promise.all(waiters.map(({ result }) => result))
    await supervisor.close()
  })
})
