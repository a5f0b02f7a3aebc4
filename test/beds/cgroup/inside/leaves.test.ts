import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { noLimits } from '#src/containment/limits.js'
import { Launching } from '../../../containment/launching.ts'
import { startTimeOf } from '../../../support/alive.ts'
import { cgroupsOf } from '../../../support/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'
import { Lines } from '../../../support/lines.ts'
import { fixture } from '../../../support/scene.ts'
import { service } from './service.ts'

/** Cgroups never accumulate: of none that has ended anything is left. */

const helper = (await findHelper()) ?? ''
let containment: Containment
beforeAll(async () => {
  containment = await openGuard({ helper, cgroups: true })
})
afterAll(() => containment.close())

test('a thousand trees, with limits and without, of one owner and of many, leave no directory', async () => {
  const launching = new Launching(containment)
  const limits = { ...noLimits, pids: 50, memory: 64 * 1024 * 1024, cpus: 1 }
  let most = 0
  const launch = async (number: number) => {
    const more = { owner: `owner-${number % 7}`, limits: number % 2 === 0 ? limits : noLimits }
    const { tree } = await launching.launchUnread('/bin/true', [], {
      ...more,
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    most = Math.max(
      most,
      readdirSync(service).filter((name) => name.startsWith(`coppice-${process.pid}-`)).length,
    )
    await tree.emptied
  }
  let next = 0
  const inTurn = async () => {
    while (next < 1000) await launch(next++)
  }
  await Promise.all([inTurn(), inTurn(), inTurn()])
  expect(most, 'there is one while there are trees').toBe(1)
  await eventually(() => cgroupsOf(process.pid).length === 0)
  await launching.assertNothingLives()
}, 120_000)

test('supervisors that were killed with all their helpers leave none once the next has opened', async () => {
  const dead: number[] = []
  for (const _ of [1, 2, 3]) {
    const host = spawn(
      process.execPath,
      [fixture('launches-in-a-cgroup.mjs'), fixture('escapes-by-setsid.sh')],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const out = new Lines(host.stdout)
    const [guard = 0, launcher = 0] = (await out.after('parents')).split(' ').map(Number)
    await out.after('escaped')
    process.kill(launcher, 'SIGSTOP')
    for (const pid of [host.pid ?? 0, guard, launcher]) process.kill(pid, 'SIGKILL')
    await once(host, 'exit')
    await eventually(() => startTimeOf(launcher) === null && startTimeOf(guard) === null)
    dead.push(host.pid ?? 0)
    expect(cgroupsOf(host.pid ?? 0), 'without the next one they stay').toHaveLength(3)
    if (dead.length === 3) continue
    const next = await openGuard({ helper, cgroups: true })
    await next.close()
    expect(dead.flatMap(cgroupsOf)).toEqual([])
  }
  const next = await openGuard({ helper, cgroups: true })
  await next.close()
  expect(dead.flatMap(cgroupsOf)).toEqual([])
})
