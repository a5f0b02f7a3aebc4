import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment } from '#src/containment/contract.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { noLimits } from '#src/containment/limits.js'
import { Launching } from '../../../containment/launching.ts'
import { parentOf } from '../../../support/alive.ts'
import { cgroupsBelow } from '../../../support/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'
import { cgroupBelowService, count, read, service } from './service.ts'

/** Limits that are not the tree's, of the cgroup that coppice was given: they hold too, and are not taken for the tree's. */
describe('a limit of the cgroup above', () => {
  let above: ReturnType<typeof cgroupBelowService>
  let containment: Containment
  let launching: Launching
  beforeEach(async () => {
    above = cgroupBelowService('above')
    vi.stubEnv('COPPICE_CGROUP', above.path)
    containment = await openGuard({ helper: (await findHelper()) ?? '', cgroups: true })
    vi.unstubAllEnvs()
    launching = new Launching(containment)
  })
  afterEach(async () => {
    await launching.assertNothingLives()
    await containment.close()
    await eventually(() => cgroupsBelow(above.path).length === 0)
    above[Symbol.dispose]()
  })
  const set = (file: string, text: string) => writeFileSync(join(above.path, file), text)

  const forks =
    '$| = 1; for (1..40) { $p = fork; if (!defined $p) { print "refused\n"; last } if (!$p) { sleep 600; exit } } print "done\n"; sleep 600'

  test('of processes refuses the tree’s forks and does not end it; its own ends it', async () => {
    set('pids.max', '15')
    const limited = (pids: number) =>
      launching.launch('perl', ['-e', forks], { limits: { ...noLimits, pids } })
    const wide = await limited(30)
    await wide.out.after('done')
    expect(wide.out.all).toContain('refused')
    // While others pass their own limits, its guard has looked many times: with the other limit nearer, and with its own.
    for (const room of ['22', 'max']) {
      set('pids.max', room)
      for (let time = 0; time < 3; time++) {
        const narrow = await limited(5)
        expect(await narrow.tree.stopped).toBe('over_limit')
        await narrow.tree.emptied
        expect(await narrow.tree.report()).toMatchObject({ exceeded: 'pids', proof: 'empty' })
      }
    }
    expect((await wide.tree.report()).survivors).toHaveLength(15)
    wide.tree.kill()
    await wide.tree.emptied
    expect(await wide.tree.report()).toMatchObject({ exceeded: null, proof: 'empty' })
  })

  test('of processes that is used up refuses the next root, as a typed error, and nothing is left of it', async () => {
    const first = await launching.launch('sh', ['-c', 'echo ready; exec sleep 600'])
    await first.out.after('ready')
    set('pids.max', '1')
    await expect(launching.launch('true')).rejects.toMatchObject({
      code: 'launch_failed',
      path: 'true',
      message: 'cannot launch true: fork: EAGAIN',
    })
    expect(read(above.path, 'pids.current')).toBe('1')
    // Its supervisor, its owner and its leaf.
    expect(cgroupsBelow(above.path)).toHaveLength(3)
    set('pids.max', 'max')
    const { tree } = await launching.launch('true')
    expect(await tree.exited).toEqual({ code: 0, signal: null })
    first.tree.kill()
    await first.tree.emptied
  })

  test('of processes that leaves no room for a guard refuses the launch just so', async () => {
    const first = await launching.launch('sh', ['-c', 'echo ready; exec sleep 600'])
    await first.out.after('ready')
    const launcher = parentOf(parentOf(first.tree.root.pid))
    {
      using full = cgroupBelowService('full', { 'pids.max': '1' })
      writeFileSync(join(full.path, 'cgroup.procs'), String(launcher))
      const refused = launching.launch('true')
      await expect(refused).rejects.toMatchObject({
        code: 'launch_failed',
        message: 'cannot launch true: fork: EAGAIN',
      })
      expect(cgroupsBelow(above.path)).toHaveLength(3)
      writeFileSync(join(service, 'main/cgroup.procs'), String(launcher))
    }
    const { tree } = await launching.launch('true')
    expect(await tree.exited).toEqual({ code: 0, signal: null })
    first.tree.kill()
    await first.tree.emptied
  })

  test('of memory takes the tree whole, and it went over the memory of all, not over its own', async () => {
    set('memory.max', '64M')
    const fills = 'open Z, "/dev/zero"; sysread Z, $x, 300 << 20; sleep 600'
    const { tree } = await launching.launch('sh', ['-c', `sleep 600 & exec perl -e '${fills}'`], {
      limits: { ...noLimits, memory: 512 * 1024 * 1024 },
    })
    expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(count(above.path, 'memory.events', 'oom_group_kill')).toBe(1)
    expect(await tree.stopped).toBe('over_limit')
    await tree.emptied
    expect(await tree.report()).toMatchObject({ exceeded: 'memory_of_all', proof: 'empty' })
  })
})
