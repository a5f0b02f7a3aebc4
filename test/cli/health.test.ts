import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isStopped } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

async function health(scene: Scene) {
  const { code, stdout, stderr } = await scene.coppice(['health', '--json']).exited
  expect(stderr).toBe('')
  return { code, all: JSON.parse(stdout) }
}

describe('P10: coppice health', () => {
  test('says nothing, and that all is well, where nobody is', async ({ scene }) => {
    expect(await health(scene)).toEqual({ code: 0, all: [] })
  })

  test('tells of a supervisor that is well', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    const waiting = supervisor.start({ session: 'a' }, () => 1)
    await eventually(async () => (await supervisor.health()).waiting === 1)
    const tool = run.exec('sleep', ['600'])
    await tool.pid
    expect(await supervisor.health()).toMatchObject({ running: 1, waiting: 1, trees: 1, hostBlockedMs: 0 })
    expect(await health(scene)).toMatchObject({
      code: 0,
      all: [
        {
          verdict: 'well',
          pid: process.pid,
          alive: 'alive',
          blockedSince: null,
          health: { running: 1, waiting: 1, trees: 1, hostBlockedMs: 0 },
        },
      ],
    })
    expect((await scene.coppice(['health']).exited).stdout).toMatch(
      /^SUPERVISOR +VERDICT.*\n\d+@\S+ +well +1 +1 +1/,
    )
    await tool.cancel({ grace: 0 })
    await run.end()
    await waiting.outcome
    await supervisor.close()
  })

  test('tells one that is stopped, and one that is dead', async ({ scene }) => {
    const host = scene.host('host-to-be-frozen.mjs', ['10m', '10m', bestHere.containment])
    await host.lines.after('ready ')
    host.child.kill('SIGSTOP')
    await eventually(() => isStopped(host.pid))
    expect(await health(scene)).toMatchObject({
      code: 1,
      all: [{ verdict: 'silent', alive: 'alive', health: null }],
    })
    host.child.kill('SIGKILL')
    await host.died
    await eventually(() => scene.living().length === 0)
    expect(await health(scene)).toMatchObject({ code: 1, all: [{ verdict: 'dead', alive: 'dead' }] })
    // Looking has recovered nothing.
    expect(await health(scene)).toMatchObject({ code: 1, all: [{ verdict: 'dead', alive: 'dead' }] })
  })
})

test('P4, P7: a host whose loop is blocked for its loopTimeout is ended, where it asked for that, its runs first', async ({
  scene,
}) => {
  const host = scene.host('host-blocked-for-good.mjs')
  const run = await host.lines.after('run ')
  expect(await host.exited).toMatchObject({ code: null, signal: 'SIGKILL' })
  const supervisor = await openSupervisor({ state: scene.state })
  expect(await supervisor.show(run)).toMatchObject({
    outcome: { state: 'cancelled', cause: 'shutdown', tree: { survivors: [] } },
  })
  await supervisor.close()
})
