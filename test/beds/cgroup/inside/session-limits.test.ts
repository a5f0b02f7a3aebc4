import { dirname } from 'node:path'
import { openSupervisor, type Run, type SessionBudgetOptions } from 'coppice'
import { describe, expect } from 'vitest'
import { cgroupsOf } from '../../../support/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'
import { Lines } from '../../../support/lines.ts'
import { type Scene, test } from '../../../support/scene.ts'
import { count, leafOf, read, service } from './service.ts'

/** Limits of a session, where the kernel holds them of all its trees together (P10: as the library's reference says). */

const fills = (size: number) =>
  `$| = 1; open Z, "/dev/zero"; sysread Z, $x, ${size} << 20; print "filled\n"; sleep 600`
/** Has so many children at once, and says how many it could not have. */
const forks = (children: number) =>
  `$no = 0; for (1..${children}) { $p = fork; $no++ unless defined $p; if (defined $p && !$p) { sleep 600; exit } } $| = 1; print "refused $no\n"; sleep 600`

async function inSession<T>(
  scene: Scene,
  limits: SessionBudgetOptions['limits'],
  fn: (run: Run) => Promise<T>,
) {
  const sessionBudget = limits === undefined ? {} : { limits }
  const supervisor = await openSupervisor({ state: scene.state, sessionBudget, grace: 0 })
  try {
    return await supervisor.run({ session: 'k' }, fn)
  } finally {
    await supervisor.close()
    await eventually(() => cgroupsOf(process.pid).length === 0)
  }
}

const perl = (run: Run, script: string) => run.exec('perl', ['-e', script])
const groupKills = () => count(service, 'memory.events', 'oom_group_kill')

describe('limits of a session are the sum of its trees', () => {
  test('memory: of two that fit alone the kernel kills one, whole, and the other goes on', async ({
    scene,
  }) => {
    const before = groupKills()
    const killed = await inSession(scene, { memory: '150MB' }, async (run) => {
      const first = perl(run, fills(90))
      await new Lines(first.stdout).after('filled')
      const second = run.exec('sh', ['-c', `sleep 600 & exec perl -e '${fills(90)}'`])
      const { result, left } = await Promise.race([
        first.then((result) => ({ result, left: second })),
        second.then((result) => ({ result, left: first })),
      ])
      void left.cancel({ grace: 0 })
      return result
    })
    expect(killed).toMatchObject({
      ended: 'over_limit',
      exit: { code: null, signal: 'SIGKILL' },
      tree: { containment: 'cgroup', proof: 'empty', exceeded: 'memory_of_all' },
    })
    expect(groupKills() - before).toBe(1)
    expect(scene.living()).toEqual([])
  })

  test('memory: without the limit both have what they want, and so has another session', async ({
    scene,
  }) => {
    const both = (run: Run, other: Run) =>
      Promise.all([run, other].map((run) => new Lines(perl(run, fills(90)).stdout).after('filled')))
    await inSession(scene, undefined, (run) => both(run, run))
    await inSession(scene, { memory: '150MB' }, (run) =>
      run.subagent({ session: 'other' }, (other) => both(run, other)),
    )
  })

  test('pids: the forks of all together are refused over it, and nobody is ended', async ({ scene }) => {
    await inSession(scene, { pids: 20 }, async (run) => {
      const trees = [perl(run, forks(14)), perl(run, forks(14))]
      const refused = await Promise.all(trees.map(({ stdout }) => new Lines(stdout).after('refused')))
      const owner = dirname(leafOf((await trees[0]?.pid) ?? 0))
      expect(Number(read(owner, 'pids.current'))).toBe(20)
      expect(refused.reduce((sum, number) => sum + Number(number), 0)).toBe(10)
    })
  })

  test('cpus: one share for all', async ({ scene }) => {
    await inSession(scene, { cpus: 0.2 }, async (run) => {
      const tree = run.exec('sleep', ['600'])
      const leaf = leafOf((await tree.pid) ?? 0)
      expect(read(dirname(leaf), 'cpu.max')).toBe('20000 100000')
      expect(read(leaf, 'cpu.max')).toBe('max 100000')
    })
  })

  test('beside a tree’s own, which ends it as over its limit', async ({ scene }) => {
    await inSession(scene, { memory: '300MB', pids: 50 }, async (run) => {
      const result = await run.exec('perl', ['-e', fills(90)], { limits: { memory: '48MB' } })
      expect(result).toMatchObject({ ended: 'over_limit', tree: { exceeded: 'memory' } })
      expect(() => result.orThrow()).toThrowError('over its memory limit of 48MB')
    })
  })
})
