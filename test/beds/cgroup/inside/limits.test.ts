import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exec } from 'coppice/exec'
import { describe, expect } from 'vitest'
import { startTimeOf } from '../../../support/alive.ts'
import { cgroupsOf } from '../../../support/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'
import { Lines } from '../../../support/lines.ts'
import { test } from '../../../support/scene.ts'
import { count, leafOf, read, service } from './service.ts'

/** Case 18, where the kernel holds the limits. */

const megabyte = 1024 * 1024
/** Fills so many megabytes, says so, and exits by itself. */
const fills = (size: number) => `open Z, "/dev/zero"; sysread Z, $x, ${size} << 20; print "filled\n"`
/** A tree of three that fills memory in its root, and would live on. */
const hoards = `sleep 600 & setsid sleep 600 & exec perl -e '${fills(300)}; sleep 600'`
/** Has so many children at once, and says how many it could not have. Waits to be told. */
const forks = (children: number) =>
  `<STDIN>; $no = 0; for (1..${children}) { $p = fork; $no++ unless defined $p; if (defined $p && !$p) { sleep 600; exit } } $| = 1; print "refused $no\n"; sleep 600`
const spins = 'while :; do :; done'

describe('memory.max', () => {
  test('takes the whole tree by the kernel’s OOM killer, and nobody else', async ({ scene }) => {
    const sibling = exec('sleep', ['600'], { limits: { memory: '64MB' } })
    const pid = (await sibling.pid) ?? 0
    const before = groupKills()
    const result = await exec('sh', ['-c', hoards], { limits: { memory: '64MB' }, timeout: '30s' })
    expect(result).toMatchObject({
      ended: 'over_limit',
      exit: { signal: 'SIGKILL' },
      forced: true,
      tree: { containment: 'cgroup', proof: 'empty', exceeded: 'memory', killed: 3 },
    })
    expect(groupKills() - before, 'of whole cgroups').toBe(1)
    expect(result.usage?.maxRssBytes).toBeGreaterThan(32 * megabyte)
    expect(result.usage?.maxRssBytes).toBeLessThanOrEqual(64 * megabyte)
    expect(startTimeOf(pid)).not.toBeNull()
    expect(count(join(service, 'main'), 'memory.events', 'oom_kill'), 'of the gateway').toBe(0)
    await sibling.cancel()
    expect(scene.living()).toEqual([])
  })

  test('lets a program have what it does without a limit, and below it', async () => {
    const before = groupKills()
    for (const limits of [{}, { memory: '512MB' }]) {
      const result = await exec('perl', ['-e', fills(300)], { limits })
      expect(result).toMatchObject({ ok: true, stdout: 'filled\n', tree: { exceeded: null, killed: 0 } })
      expect(result.usage?.maxRssBytes).toBeGreaterThan(300 * megabyte)
    }
    expect(groupKills()).toBe(before)
  })

  test('too small for any program ends as over that limit too', async () => {
    expect(await exec('true', [], { limits: { memory: 4096 }, timeout: '30s' })).toMatchObject({
      ended: 'over_limit',
      tree: { exceeded: 'memory', proof: 'empty' },
    })
  })

  test('that a tool set for a part of itself is not the tree’s', async () => {
    const script = `
      leaf=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
      mkdir "$leaf/shell" "$leaf/part" && echo $$ >"$leaf/shell/cgroup.procs"
      echo +memory >"$leaf/cgroup.subtree_control" && echo 32M >"$leaf/part/memory.max" || exit 1
      echo 0 >"$leaf/part/memory.swap.max" 2>/dev/null
      (echo 0 >"$leaf/part/cgroup.procs"; exec perl -e '${fills(300)}') 2>/dev/null; echo "part $?"`
    const result = await exec('sh', ['-c', script], { limits: { memory: '512MB' } })
    expect(result).toMatchObject({ ended: 'exited', stdout: 'part 137\n', tree: { exceeded: null } })
  })

  const groupKills = () => count(service, 'memory.events', 'oom_group_kill')
})

describe('pids.max', () => {
  test('is passed at no moment, and the tree that tried is killed', async ({ scene }) => {
    const { most, result } = await storm(60, { pids: 20 })
    expect(most).toBeLessThanOrEqual(20)
    expect(most).toBeGreaterThan(10)
    // A guard that counts sees more than the limit; here there never were more.
    expect(result).toMatchObject({
      ended: 'over_limit',
      forced: true,
      tree: { exceeded: 'pids', proof: 'empty' },
    })
    expect(scene.living()).toEqual([])
  })

  test('lets a program have what it does without a limit, and below it', async () => {
    for (const limits of [{}, { pids: 61 }]) {
      const { most, result } = await storm(60, limits)
      expect(most).toBe(61)
      expect(result).toMatchObject({ ended: 'cancelled', tree: { exceeded: null } })
    }
  })

  test('of one lets a root run that forks nobody', async () => {
    const limits = { pids: 1 }
    expect(await exec('echo', ['alone'], { limits })).toMatchObject({ ok: true, stdout: 'alone\n' })
    expect(await exec('sh', ['-c', 'sleep 600; true'], { limits, timeout: '30s' })).toMatchObject({
      ended: 'over_limit',
      tree: { exceeded: 'pids' },
    })
  })

  /** The most that were alive at once, as the kernel counts them, until the tree has ended or all are there. */
  async function storm(children: number, limits: { pids?: number }) {
    const tree = exec('perl', ['-e', forks(children)], { limits, stdio: 'pipe', timeout: '30s' })
    const out = new Lines(tree.stdout)
    const leaf = leafOf((await tree.pid) ?? 0)
    const alive = () => read(leaf, 'cgroup.procs').split('\n').filter(Boolean).length
    let most = 0
    tree.stdin?.end('go\n')
    const isOver = () => {
      most = Math.max(most, alive(), Number(read(leaf, 'pids.current')))
      return most > children || !existsSync(leaf)
    }
    await eventually(isOver, { within: 30_000, every: 1 })
    if (most > children) {
      expect(await out.after('refused')).toBe('0')
      void tree.cancel({ grace: 0 })
    }
    return { most, result: await tree }
  }
})

describe('cpu.max', () => {
  test('slows a tree down to its share, and does not end it', async () => {
    const share = await shareOf({ cpus: 0.2 })
    expect(share.throttled).toBeGreaterThan(0)
    expect(share.ratio).toBeLessThan(0.35)
    const whole = await shareOf({})
    expect(whole.throttled).toBe(0)
    expect(whole.ratio).toBeGreaterThan(share.ratio * 1.8)
  })

  /** How much of the processor a busy tree of two had, until it has used a tenth of a second of it and a second has passed. */
  async function shareOf(limits: { cpus?: number }) {
    const tree = exec('sh', ['-c', `(${spins}) & ${spins}`], { limits, timeout: '60s' })
    const leaf = leafOf((await tree.pid) ?? 0)
    const used = () => count(leaf, 'cpu.stat', 'usage_usec') / 1000
    const before = { used: used(), at: performance.now() }
    const passed = () => performance.now() - before.at
    await eventually(() => passed() > 1_000 && used() - before.used > 100, { within: 30_000 })
    const ratio = (used() - before.used) / passed()
    const throttled = count(leaf, 'cpu.stat', 'nr_throttled')
    const [result] = await Promise.all([tree, tree.cancel({ grace: 0 })])
    expect(result).toMatchObject({ ended: 'cancelled', tree: { exceeded: null } })
    return { ratio, throttled }
  }
})

describe('the command', () => {
  test('--memory and --pids end it with 137, and say which', async ({ scene }) => {
    const memory = await scene.coppice([
      'run',
      '--timeout',
      '20s',
      '--memory',
      '64MB',
      '--',
      'sh',
      '-c',
      hoards,
    ]).exited
    expect(memory.code).toBe(137)
    expect(memory.stderr).toMatch(/^coppice: .*memory limit of 64MB\n$/)
    const pids = await scene.bash('echo go | exec "$0" "$@"'.replace('"$0" "$@"', '"$@"'), [
      process.execPath,
      join(import.meta.dirname, '../../../../dist/bundle/coppice.js'),
      'run',
      '--timeout',
      '20s',
      '--pids',
      '20',
      '--',
      'perl',
      '-e',
      forks(60),
    ]).exited
    expect(pids.code).toBe(137)
    expect(pids.stderr).toMatch(/^coppice: .*pids limit of 20\n$/)
  })

  test('--cpus slows it down', async ({ scene }) => {
    const report = join(scene.folder, 'report.json')
    const burns = '1 while (times)[0] < 0.3'
    const share = async (...options: string[]) => {
      const { code } = await scene.coppice(['run', ...options, '--report', report, '--', 'perl', '-e', burns])
        .exited
      expect(code).toBe(0)
      const { exec } = JSON.parse(readFileSync(report, 'utf8'))
      return exec.usage.cpuMs / exec.durationMs
    }
    const limited = await share('--cpus', '0.2')
    expect(limited).toBeLessThan(0.45)
    expect(await share()).toBeGreaterThan(limited * 1.3)
  })
})

test('none of these trees has left a cgroup', async () => {
  await eventually(() => cgroupsOf(process.pid).length === 0)
})
