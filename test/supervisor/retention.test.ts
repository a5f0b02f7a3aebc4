import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe('retention', () => {
  test('prune forgets old runs of any supervisor, and neither transcripts, nor pending requests, nor untold endings', async ({
    scene,
  }) => {
    const host = scene.host('host-with-requests.mjs', ['k', 'lost', 'waits'], { env: { ENDINGS: 'none' } })
    await host.lines.after('begun lost')
    await host.lines.after('accepted waits')
    host.child.kill('SIGKILL')
    await host.died
    let fails = true
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: ({ outcome }) => {
        if (fails && outcome.request === 'untold') throw new Error('not now')
      },
    })
    expect(await supervisor.pending()).toHaveLength(2)
    await supervisor.run({ session: 'a' }, (run) => run.append('kept'))
    for (let run = 0; run < 5; run++) await supervisor.run({ session: 'a' }, () => {})
    await supervisor.run({ session: 'u', request: { id: 'untold' } }, () => {})
    for (const session of ['u', 'u', 'a']) await supervisor.run({ session }, () => {})
    await eventually(async () => (await supervisor.health()).unacknowledgedEndings === 1)
    const before = (await supervisor.runs()).length
    expect(await supervisor.prune({ age: '1h' }), 'nothing is as old as that').toMatchObject({ runs: 0 })
    expect((await supervisor.prune({ age: 0 })).runs).toBeGreaterThanOrEqual(6)
    expect((await supervisor.runs()).length).toBeLessThan(before)
    expect((await supervisor.transcript('a')).filter(({ kind }) => kind === 'entry')).toHaveLength(1)
    expect((await supervisor.pending()).map(({ request }) => request.id)).toEqual(['lost', 'waits'])
    expect((await supervisor.health()).unacknowledgedEndings).toBe(1)
    fails = false
    await eventually(async () => (await supervisor.health()).unacknowledgedEndings === 0)
    await supervisor.close()
  })

  test('goes on while runs do: it holds up no renewal and no run', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ttl: '1s' })
    await Promise.all(Array.from({ length: 1500 }, () => supervisor.run({}, () => {})))
    const pruning = supervisor.prune({ age: 0 })
    let runs = 0
    let isOver = false
    pruning.then(() => {
      isOver = true
    })
    while (!isOver) {
      await supervisor.run({ session: 'k' }, () => {})
      runs += 1
    }
    expect((await pruning).runs).toBeGreaterThanOrEqual(1000)
    expect(runs).toBeGreaterThan(0)
    await supervisor.close()
  })
})
