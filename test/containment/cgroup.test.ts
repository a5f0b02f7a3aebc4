import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { findCgroupBase } from '#src/containment/guard/cgroup-directory.js'
import { runOf, supervisorName, supervisorOf, treeName } from '#src/containment/guard/cgroup-names.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { isAlive, living, startTimeOf } from '../support/alive.ts'
import { cgroupHolding, cgroupOf, cgroupsHere, cgroupsOf } from '../support/cgroups.ts'
import { eventually } from '../support/eventually.ts'
import { Lines } from '../support/lines.ts'
import { sanitizedLauncher } from '../support/native.ts'
import { exerciseContainment, guardExpectations } from './exercise-containment.ts'
import { fixture, Launching } from './launching.ts'

const helper = (await findHelper()) ?? ''
const base = cgroupsHere.base ?? ''
const expectations = guardExpectations('cgroup')

describe.skipIf(cgroupsHere.base === null)(`with cgroups ${cgroupsHere.why}`, () => {
  exerciseContainment('cgroup', () => openGuard({ helper, cgroups: true }), expectations)

  describe('the cgroups', () => {
    let containment: Containment
    let launching: Launching
    beforeAll(async () => {
      containment = await openGuard({ helper, cgroups: true })
    })
    afterAll(() => containment.close())
    beforeEach(() => {
      launching = new Launching(containment)
    })
    afterEach(() => launching.assertNothingLives())
    const ours = cgroupHolding(process.pid)
    const sleeps = (owner: string) => launching.launch('sh', ['-c', 'echo ready; exec sleep 600'], { owner })

    test('of trees of one owner have one parent; the host is moved nowhere', async () => {
      const before = cgroupOf(process.pid)
      const trees = [await sleeps('agent:a/b'), await sleeps('agent:a/b'), await sleeps('agent:c')]
      await Promise.all(trees.map(({ out }) => out.after('ready')))
      const leaves = trees.map(({ tree }) => cgroupHolding(tree.root.pid))
      expect(new Set(leaves).size).toBe(3)
      expect(new Set(leaves.map((leaf) => dirname(leaf))).size).toBe(2)
      expect(leaves.every((leaf) => leaf.includes(`/coppice-${process.pid}-`))).toBe(true)
      expect(cgroupOf(process.pid)).toBe(before)
      for (const { tree } of trees) tree.kill()
      await Promise.all(trees.map(({ tree }) => tree.emptied))
      await eventually(() => leaves.every((leaf) => !existsSync(leaf)))
    })

    test('that a tool nested in its own are removed with it', async () => {
      const { tree, out } = await launching.launch('sh', [
        '-c',
        `leaf=$(grep -rlx --include=cgroup.procs $$ ${base}); leaf=\${leaf%/*}
         mkdir -p "$leaf/a/b" && echo $$ > "$leaf/a/b/cgroup.procs" && echo nested; exec sleep 600`,
      ])
      await out.after('nested')
      const leaf = cgroupHolding(tree.root.pid)
      expect(leaf).toMatch(/\/a\/b$/)
      tree.kill()
      await tree.emptied
      expect(await tree.report()).toMatchObject({ proof: 'empty', killed: 1 })
      await eventually(() => !existsSync(dirname(dirname(leaf))))
    })

    test('hold whoever came into them from elsewhere: the tree is not empty before', async () => {
      const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
      const exited = once(stranger, 'exit')
      const { tree, out } = await launching.launch('sh', ['-c', 'echo ready; exec sleep 600'])
      await out.after('ready')
      writeFileSync(join(cgroupHolding(tree.root.pid), 'cgroup.procs'), String(stranger.pid))
      process.kill(tree.root.pid)
      expect(await tree.exited).toEqual({ code: null, signal: 'SIGTERM' })
      expect(await Promise.race([tree.emptied.then(() => 'empty'), delay(300, 'not empty')])).toBe(
        'not empty',
      )
      tree.kill()
      expect(await exited).toEqual([null, 'SIGKILL'])
      await tree.emptied
      expect(await tree.report()).toMatchObject({ proof: 'empty' })
    })

    test('that a tool leaves hold it no more, and its guard does', async () => {
      const { tree, out } = await launching.launch('sh', [
        '-c',
        `echo $$ > ${ours}/cgroup.procs && echo left; trap '' TERM; setsid sleep 600 & sleep 600`,
      ])
      await out.after('left')
      expect(cgroupOf(tree.root.pid)).toBe(cgroupOf(process.pid))
      tree.kill()
      await tree.emptied
      expect(await tree.report()).toMatchObject({ proof: 'empty' })
    })

    test('count what nobody waited for, as where SIGCHLD is ignored', async () => {
      const burns = '$SIG{CHLD} = "IGNORE"; unless (fork) { 1 while (times)[0] < 0.3; exit } wait'
      const { tree } = await launching.launch('perl', ['-e', burns])
      await tree.emptied
      expect((await tree.report()).usage?.cpuMs).toBeGreaterThanOrEqual(300)
    })
  })

  test('a supervisor, its launcher and its guard all killed: the next to open ends what escaped them, and its cgroup', async () => {
    const host = spawn(
      process.execPath,
      [fixture('launches-in-a-cgroup.mjs'), fixture('escapes-by-setsid.sh')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const out = new Lines(host.stdout)
    const [guard = 0, launcher = 0] = (await out.after('parents')).split(' ').map(Number)
    const escaped = living(Number(await out.after('escaped')))
    expect(cgroupsOf(host.pid ?? 0)).toHaveLength(3)
    process.kill(launcher, 'SIGSTOP')
    for (const pid of [host.pid ?? 0, guard, launcher]) process.kill(pid, 'SIGKILL')
    await once(host, 'exit')
    await eventually(() => startTimeOf(launcher) === null && startTimeOf(guard) === null)
    expect(isAlive(escaped.pid, escaped.startTime), 'without the next one it lives on').toBe(true)
    const next = await openGuard({ helper, cgroups: true })
    expect(isAlive(escaped.pid, escaped.startTime)).toBe(false)
    expect(cgroupsOf(host.pid ?? 0)).toEqual([])
    await next.close()
  })

  test('a dead supervisor’s tree whose guard lives is left to that guard, and its grace', async () => {
    const host = spawn(
      process.execPath,
      [fixture('launches-in-a-cgroup.mjs'), fixture('finishes-on-sigterm.sh')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const out = new Lines(host.stdout)
    await out.after('ready')
    process.kill(host.pid ?? 0, 'SIGKILL')
    await once(host, 'exit')
    const next = await openGuard({ helper, cgroups: true })
    await out.after('finished')
    await eventually(() => cgroupsOf(host.pid ?? 0).length === 0)
    await next.close()
  })

  const sanitized = sanitizedLauncher()
  describe.skipIf(sanitized === null)('under sanitizers (needs cc)', () => {
    exerciseContainment('cgroup', () => openGuard({ helper: sanitized ?? '', cgroups: true }), expectations)
  })

  test('no cgroup of any of these trees is left', async () => {
    await eventually(() => cgroupsOf(process.pid).length === 0)
    expect(cgroupsOf(process.pid)).toEqual([])
  })
})

describe('the names of cgroups', () => {
  const here = { pid: 7, startTime: '123', bootId: 'b', pidNamespace: 'pid:[42]' }

  test('tell whose they are, and of another pid namespace nothing', () => {
    expect(supervisorOf(supervisorName(here), here)).toEqual(here)
    expect(supervisorOf(supervisorName(here), { ...here, pidNamespace: 'pid:[43]' })).toBeNull()
    expect(supervisorOf('coppice-7-123', here)).toBeNull()
    expect(supervisorOf('user.slice', here)).toBeNull()
  })

  test('tell the run of a tree, whatever is in its name', () => {
    for (const run of ['r1', 'a/b', '..', 'ä:%2f#\n']) {
      expect(treeName('t', run)).toMatch(/^[^/\n]{1,255}$/)
      expect(runOf(treeName('t', run))).toBe(run)
    }
    expect(runOf(treeName('t', null))).toBeNull()
    expect(treeName('x'.repeat(5000), 'y'.repeat(5000)).length).toBeLessThanOrEqual(255)
    expect(runOf(treeName('t', 'y'.repeat(5000)))).toBeNull()
  })
})

test('a base that is given and cannot be written is no place for cgroups, by name', () => {
  vi.stubEnv('COPPICE_CGROUP', '/proc/no/such/cgroup')
  try {
    expect(() => findCgroupBase()).toThrowError('/proc/no/such/cgroup cannot be written')
  } finally {
    vi.unstubAllEnvs()
  }
})
