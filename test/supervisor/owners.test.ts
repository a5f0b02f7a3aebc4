import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { self } from '#src/containment/processes/processes.js'
import type { Identity } from '#src/identity.js'
import { eventually } from '../support/eventually.ts'
import { heldBy, zombie } from '../support/owners.ts'
import { type Scene, test } from '../support/scene.ts'

const bounds = { grace: '100ms', killBound: '1s' } as const

describe.skipIf(process.platform !== 'linux')('case 30: who is dead, and who only looks like it', () => {
  test.for([
    {
      what: 'a process that has exited',
      async owner(scene: Scene, me: Identity) {
        const { pid, lines, died } = scene.bash('cut -d" " -f22 /proc/$$/stat')
        const startTime = await lines.after('')
        await died
        return { ...me, pid, startTime }
      },
    },
    { what: 'a zombie', owner: async (scene: Scene, me: Identity) => ({ ...me, ...(await zombie(scene)) }) },
    {
      what: 'a pid that another process has by now',
      owner: async (_: Scene, me: Identity) => ({ ...me, startTime: String(Number(me.startTime) - 1) }),
    },
    {
      what: 'the same pid and start time, of another boot',
      owner: async (_: Scene, me: Identity) => ({ ...me, bootId: 'another' }),
    },
  ])('P9: is taken over at once: $what', async ({ owner }, { scene }) => {
    await heldBy(scene, await owner(scene, await self()))
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    expect(await supervisor.run({ session: 'k', wait: '20s' }, (run) => run.fence)).toBe(3)
    expect((await supervisor.show('held'))?.outcome).toMatchObject({
      state: 'lost',
      message: expect.stringContaining('was gone'),
    })
    await supervisor.close()
  })

  test.for([
    { what: 'a process that lives', owner: (me: Identity) => me },
    {
      what: 'a pid 1 of another container',
      owner: (me: Identity) => ({ ...me, pid: 1, startTime: '1', pidNamespace: 'pid:[1]' }),
    },
    {
      what: 'a pid of another container that nobody has here',
      owner: (me: Identity) => ({ ...me, pid: 4_194_300, pidNamespace: 'pid:[1]' }),
    },
  ])('P1: keeps its session while its lease lasts: $what', async ({ owner }, { scene }) => {
    await heldBy(scene, owner(await self()))
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await expect(supervisor.run({ session: 'k', ifBusy: 'refuse' }, () => 'ran')).rejects.toMatchObject({
      code: 'session_busy',
      holder: 'held',
    })
    expect(await supervisor.show('held')).toMatchObject({ state: 'running', fence: 1 })
    await supervisor.close()
  })
})

describe('case 31: two recoverers at once', () => {
  test('P9: one wins, the dead run changes once, and both waiters have their turn', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    for (let round = 0; round < 5; round++) {
      const dead = scene.host('host-of-a-patient-tree.mjs', ['200ms'])
      await dead.lines.after('ready')
      const waiters = ['one', 'two'].map((name) =>
        scene.coppice(['run', '--session', 'a', '--', 'echo', name]),
      )
      await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 2, {
        within: 20_000,
      })
      dead.child.kill('SIGKILL')
      for (const waiter of waiters) expect(await waiter.exited).toMatchObject({ code: 0, stderr: '' })
      const endings = (await supervisor.transcript('a')).slice(3 * round)
      const fence = 4 * round
      // One for the run that is lost, and one for the one claim.
      expect(endings).toMatchObject([
        { kind: 'ending', fence: fence + 2, outcome: { state: 'lost', tree: { survivors: [] } } },
        { kind: 'ending', fence: fence + 3, outcome: { state: 'succeeded' } },
        { kind: 'ending', fence: fence + 4, outcome: { state: 'succeeded' } },
      ])
      expect(endings).toHaveLength(3)
    }
    await supervisor.close()
  })
})
