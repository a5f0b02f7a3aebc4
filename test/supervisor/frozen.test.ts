import { describe, expect } from 'vitest'
import { isAlive, isStopped, living } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

/** Its guards have clocks of their own: what they promise holds while nothing of the supervisor runs. */
describe.skipIf(bestHere.containment === 'group')('P4: a supervisor that is frozen', () => {
  test.for([
    { what: 'a tree’s own deadline', ttl: '10m', timeout: '4s', within: 4_700, ended: 'timed_out' },
    { what: 'the end of its lease', ttl: '3s', timeout: '10m', within: 3_000, ended: 'lost' },
  ])('the tree is dead on time: $what', async ({ ttl, timeout, within, ended }, { scene }) => {
    const host = scene.host('host-to-be-frozen.mjs', [ttl, timeout])
    const tool = living(Number(await host.lines.after('ready ')))
    host.child.kill('SIGSTOP')
    await eventually(() => isStopped(host.pid))
    // From the last renewal or the launch on, and both were before the stop; the rest is the machine's.
    await eventually(() => !isAlive(tool.pid, tool.startTime), { within: within + 5_000 })
    await eventually(() => scene.living().length === 0, { within: 5_000 })
    expect(isStopped(host.pid), 'and nobody else ended it').toBe(true)
    host.child.kill('SIGCONT')
    expect(await host.lines.after('ended ')).toBe(`${ended} true empty`)
    expect((await host.exited).code).toBe(0)
  })

  test('without a guard the tree lives on: the control', async ({ scene }) => {
    const host = scene.host('host-to-be-frozen.mjs', ['10m', '4s', 'group'])
    const tool = living(Number(await host.lines.after('ready ')))
    host.child.kill('SIGSTOP')
    const dies = eventually(() => !isAlive(tool.pid, tool.startTime), { within: 5_200 })
    await expect(dies).rejects.toThrow('not within')
    host.child.kill('SIGCONT')
    expect(await host.lines.after('ended ')).toBe('timed_out true unproven')
  })
})
