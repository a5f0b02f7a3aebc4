import { execFile, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { findHelper } from '#src/containment/built.js'
import type { Containment, Tree } from '#src/containment/contract.js'
import { openGuard } from '#src/containment/guard/guard.js'
import { Launcher } from '#src/containment/guard/launcher.js'
import { noLimits } from '#src/containment/limits.js'
import { frameOf, fromLauncher } from '#src/containment/protocol/frames.js'
import { launchBody } from '#src/containment/protocol/request.js'
import { plainStop } from '#src/containment/stop-plan.js'
import { isAlive, killIfAlive, type Living, living, nameOf, parentOf, startTimeOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { Lines } from '../support/lines.ts'
import { oldKernel } from '../support/native.ts'
import { fixture, Launching, survivorsIn } from './launching.ts'

const helper = (await findHelper()) ?? ''
const old = oldKernel()
const kernels: ReadonlyArray<readonly [string, string, readonly string[]]> = [
  ['here', helper, []],
  ...(old === null ? [] : [['on an old kernel', old, [helper]] as const]),
]
const isRoot = process.getuid?.() === 0
const everySoOften = { timeout: Number.POSITIVE_INFINITY, grace: 100, killBound: 10_000 }

describe.skipIf(helper === '')('a guard and its launcher in trouble', () => {
  let guard: Containment
  let launching: Launching
  let folder: string
  const others: Containment[] = []
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coppice-trouble-'))
    await chmod(folder, 0o755)
    guard = await openGuard({ helper })
    launching = new Launching(guard)
  })
  afterEach(async () => {
    for (const one of [guard, ...others.splice(0)]) await one.close()
    await launching.assertNothingLives()
    await eventually(async () => (await ours()).length === 0)
    await rm(folder, { recursive: true })
  })

  /** A program whose exec waits, as in a file system that does not answer; `release` lets it go on. */
  async function hungProgram(program: string): Promise<{ path: string; release(): Promise<void> }> {
    const path = join(folder, 'hung')
    await copyFile(program, path)
    const holder = spawn(fixture('holds-up-exec.pl'), [path], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void holder.kill())
    await new Lines(holder.stdout).after('held')
    const release = async () => {
      holder.kill()
      await once(holder, 'exit')
    }
    return { path, release }
  }

  describe('an exec that hangs', () => {
    test('is given up after its bound, with its guard', async () => {
      const { path } = await hungProgram('/bin/true')
      const hasty = await openGuard({ helper, launchBound: 3_000 })
      const launch = hasty.launch({ ...request(path, []), stdio: ['pipe', 'pipe', 'pipe'] })
      await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path })
      await eventually(async () => (await guards()).length === 0)
      await hasty.close()
    })

    test('is ended by its own deadline, and by the end of its supervisor', async () => {
      const { path } = await hungProgram('/bin/true')
      const bounds = { ...everySoOften, timeout: 50 }
      const { tree } = await launching.launch(path, [], { bounds })
      expect(await tree.stopped).toBe('timed_out')
      await tree.emptied
      expect(await tree.exited).toEqual({ code: null, signal: 'SIGTERM' })
      const launch = launching.launch(path, [], { bounds: everySoOften })
      launch.catch(() => {})
      await eventually(async () => (await guards()).length === 1)
      await guard.close()
      await expect(launch).rejects.toMatchObject({ code: 'launch_failed' })
      await eventually(async () => (await guards()).length === 0)
    })
  })

  test('a request that no launcher would read is refused at once', async () => {
    const argument = 'x'.repeat(120_000)
    const launch = launching.launch('true', Array(150).fill(argument), {
      bounds: everySoOften,
    })
    await expect(launch).rejects.toMatchObject({ message: expect.stringContaining('16 MiB') })
    await expect(launching.launch('true', [argument.repeat(20)])).rejects.toThrow('E2BIG')
  })

  test('10,000 variables are no work', async () => {
    const env = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`NAME_${i % 9_999}`, `${i}`]))
    const { tree, out } = await launching.launch('env', [], { env: { ...env, NAME_7: undefined } })
    await tree.emptied
    await out.ended
    expect(out.all.filter((line) => line.startsWith('NAME_'))).toHaveLength(9_998)
  })

  test('an endless grace is endless, and so is any number that is greater than all', async () => {
    const bounds = { timeout: 1e300, grace: 50, killBound: 1e300 }
    const { tree, out } = await launching.launchFixture('finishes-on-sigterm.sh', [], { bounds })
    await out.after('ready')
    await tree.terminate(Number.POSITIVE_INFINITY)
    expect(await tree.exited).toEqual({ code: 17, signal: null })
  })

  test('everybody who asks for a report at the same time has it as soon', async () => {
    const { tree } = await launching.launch('sleep', ['1000'])
    const times = await Promise.all([0, 1, 2].map(() => tree.report().then(() => performance.now())))
    // One that was not told would be a whole second later than the others.
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(500)
    tree.kill()
    await tree.emptied
  })

  test('a guard is not heard where it speaks of another tree', async () => {
    const { tree: victim } = await launching.launch('sleep', ['1000'])
    const { tree: liar } = await launching.launch('sleep', ['1000'])
    // The probe was the launcher's first tree, so that these are its second and third.
    const lie = frameOf(fromLauncher.guardLost, 2, [Buffer.from([1, 9, 0, 0, 0])])
    const { stderr } = spawnSync(fixture('speaks-as.pl'), [
      String(parentOf(liar.root.pid)),
      lie.toString('hex'),
    ])
    // Whoever is not root cannot even take its voice: it is not dumpable.
    expect(String(stderr)).toMatch(isRoot ? /^$/ : /^descriptor: Operation not permitted/)
    await survivorsIn(liar)
    expect(await survivorsIn(victim)).toMatchObject({ killed: 0 })
    for (const tree of [victim, liar]) tree.kill()
    await Promise.all([victim.emptied, liar.emptied])
  })

  describe('a launcher that is killed', () => {
    test('while it launches: the launch fails when nothing of it lives any more', async () => {
      const { path, release } = await hungProgram('/bin/bash')
      const script = 'trap "" TERM; sleep 1000 & wait'
      const launch = launching.launch(path, ['-c', script], { bounds: { ...everySoOften, grace: 500 } })
      launch.catch(() => {})
      // The one whose root hangs: that of the probe may be about to go.
      const guardProcess = await firstOf(async () => {
        const all = await guards()
        const roots = await Promise.all(all.map(({ pid }) => childrenOf(pid)))
        return all.filter((_, at) => roots[at]?.length === 1)
      })
      const launcher = living(parentOf(guardProcess.pid))
      process.kill(launcher.pid, 'SIGSTOP')
      await release()
      // The root runs and has set its trap, and nobody has been told.
      const root = await firstOf(() => childrenOf(guardProcess.pid))
      await eventually(async () => (await childrenOf(root.pid)).some(({ pid }) => nameOf(pid) === 'sleep'))
      killIfAlive(launcher)
      await expect(launch).rejects.toMatchObject({ code: 'launch_failed' })
      expect(isAlive(root.pid, root.startTime)).toBe(false)
    })

    test.for(kernels)('is missed by its guards themselves %s', async ([, path, args]) => {
      const launcher = await Launcher.start(path, args)
      const launched = Promise.withResolvers<Living>()
      const body = launchBody(request('sleep', ['1000']), launcher.environment, null)
      launcher.launch(body, () => ({
        receive({ type, body }) {
          expect(type).toBe(fromLauncher.launched)
          body.u32()
          launched.resolve(living(body.u32()))
        },
        // Nobody does anything about it.
        launcherLost() {},
      }))
      const root = await launched.promise
      process.kill(launcher.pid, 'SIGKILL')
      await eventually(() => !isAlive(root.pid, root.startTime))
    })

    test('ends no tree before its guard has, also one of which nothing can be recognized', async () => {
      const scrubbed = "trap '' TERM; echo $$; exec sleep 1000"
      const script = `env -i setsid bash -c "${scrubbed.replaceAll('$', '\\$')}" &`
      const { tree, out } = await launching.launch('bash', ['-c', script], {
        bounds: { ...everySoOften, grace: 1_000 },
      })
      const daemon = living(Number(await out.after('')))
      await tree.exited
      killIfAlive(living(parentOf(parentOf(daemon.pid))))
      await tree.emptied
      expect(isAlive(daemon.pid, daemon.startTime)).toBe(false)
    })

    test('and replaced while the containment closes leaves no other', async () => {
      const { tree } = await launching.launch('sleep', ['1000'])
      const launcher = living(parentOf(parentOf(tree.root.pid)))
      killIfAlive(launcher)
      await tree.emptied
      const launch = launching.launch('true')
      await guard.close()
      await expect(launch).rejects.toMatchObject({ code: 'supervisor_closed' })
      await eventually(async () => (await ours()).length === 0)
    })
  })

  test('P4: a guard that a tool has stopped, and whose launcher is killed, ends its tree and itself', async () => {
    const { tree } = await launching.launchFixture('ignores-sigterm.sh', [], { bounds: everySoOften })
    const [held] = await guards()
    const launcher = living(parentOf(held?.pid ?? 0))
    // It would continue the guard.
    process.kill(launcher.pid, 'SIGSTOP')
    process.kill(held?.pid ?? 0, 'SIGSTOP')
    killIfAlive(launcher)
    await tree.emptied
    expect(await tree.report()).toMatchObject({ survivors: [] })
    await eventually(() => startTimeOf(held?.pid ?? 0) === null)
  })

  test('a thousand trees at once, and none is lost', async () => {
    const trees = await Promise.all(
      Array.from({ length: 1_000 }, () => guard.launch(request('sleep', ['1000']))),
    )
    for (const tree of trees.slice(0, 500)) tree.kill()
    for (const tree of trees.slice(500)) void tree.terminate(5_000)
    await Promise.all(trees.map((tree) => tree.emptied))
    const proofs = await Promise.all(trees.map(async (tree) => (await tree.report()).proof))
    expect(new Set(proofs)).toEqual(new Set(['empty']))
  })

  describe('a launcher that was started', () => {
    /** A containment whose launcher is started by these lines of bash; `$1` is the helper. */
    async function openBy(lines: string): Promise<Containment> {
      const path = join(folder, `launcher-${randomUUID()}`)
      const first = `set - '${helper}' "$@"; [ "$2" != --version ] || exec "$@"`
      await writeFile(path, `#!/usr/bin/env bash\n${first}\n${lines}\n`, { mode: 0o755 })
      const opened = await openGuard({ helper: path })
      others.push(opened)
      return opened
    }

    test('with few descriptors refuses what it could not end, and ends what a lost guard leaves', async () => {
      const few = await openBy('ulimit -n 20; exec "$@"')
      const trees: Tree[] = []
      const launches = async () => {
        for (;;) trees.push(await few.launch(request('sleep', ['1000'])))
      }
      await expect(launches()).rejects.toMatchObject({
        code: 'launch_failed',
        message: expect.stringContaining('EMFILE'),
      })
      expect(trees.length).toBeGreaterThan(4)
      const [victim, ...rest] = trees
      killIfAlive(living(parentOf(victim?.root.pid ?? 0)))
      await victim?.emptied
      expect(await victim?.report()).toMatchObject({ proof: 'empty', killed: 1 })
      for (const tree of rest) tree.kill()
      await Promise.all(rest.map((tree) => tree.emptied))
    })

    test('and does not work leaves no launcher', async () => {
      const broken = join(folder, 'broken')
      await writeFile(broken, `#!/usr/bin/env bash\n[ "$1" != --version ] && exec '${helper}'`, {
        mode: 0o755,
      })
      await expect(openGuard({ helper: broken })).rejects.toMatchObject({ code: 'launch_failed' })
      await guard.close()
      await eventually(async () => (await ours()).length === 0)
    })

    test('without stdio gives its trees /dev/null, and pipes that work', async () => {
      const closed = await openBy('exec "$@" 0<&- 1>&- 2>&-')
      const own = new Launching(closed)
      const { tree, out } = await own.launch('readlink', ['/proc/self/fd/0', '/proc/self/fd/2'], {
        stdio: ['inherit', 'pipe', 'inherit'],
      })
      await tree.emptied
      await out.ended
      expect(out.all).toEqual(['/dev/null', '/dev/null'])
    })

    const stranger = `setpriv --reuid=${50_000 + (process.pid % 10_000)} --clear-groups`

    test.runIf(isRoot).for([
      ['guard', 3],
      ['root', 4],
    ] as const)('with few processes says that there is none for a %s', async ([, most]) => {
      const few = await openBy(`ulimit -u ${most}; exec ${stranger} "$@"`)
      // What the probe was counts until the launcher has waited for it.
      const tree = await eventually(() => few.launch(request('sleep', ['1000'])))
      await expect(few.launch(request('sleep', ['1000']))).rejects.toMatchObject({
        code: 'launch_failed',
        message: expect.stringContaining('fork: EAGAIN'),
      })
      tree.kill()
      await tree.emptied
      expect(await tree.report()).toMatchObject({ proof: 'empty', killed: 1 })
    })

    test.runIf(isRoot)(
      'where there is no /dev/null fails by that, and no command is called missing',
      async () => {
        const bare = 'mount -t tmpfs none /dev && exec "$@"'
        await expect(openBy(`exec unshare --mount bash -c '${bare}' - "$@"`)).rejects.toMatchObject({
          code: 'launch_failed',
          message: expect.stringContaining('stdio: ENOENT'),
        })
      },
    )

    test.runIf(isRoot)('by a user who may not kill what it runs names that as a survivor', async () => {
      const privileged = join(folder, 'setpriv')
      await copyFile((await promisify(execFile)('which', ['setpriv'])).stdout.trim(), privileged)
      await chmod(privileged, 0o4755)
      const ordinary = await openBy(`exec ${stranger} "$@"`)
      const tree = await ordinary.launch(request(privileged, ['--reuid=0', 'sleep', '1000']))
      const root = await eventually(() => nameOf(tree.root.pid) === 'sleep' && living(tree.root.pid))
      tree.kill()
      const seen = () => tree.report().then((report) => report.survivors.length === 1)
      for (let i = 0; i < 3; i++) await eventually(seen)
      expect(await tree.report()).toMatchObject({
        proof: 'survivors',
        killed: 0,
        survivors: [{ pid: tree.root.pid, name: 'sleep' }],
      })
      killIfAlive(root as Living)
      await tree.emptied
    })
  })

  function request(command: string, args: readonly string[]) {
    return {
      tree: launching.run,
      run: launching.run,
      command,
      args,
      stdio: ['ignore', 'ignore', 'ignore'],
      linger: 'stop',
      limits: noLimits,
      stop: plainStop,
      bounds: everySoOften,
    } as const
  }
})

/** The launchers and guards of this process. */
async function ours(): Promise<Living[]> {
  const launchers = (await childrenOf(process.pid)).filter(({ pid }) =>
    nameOf(pid).startsWith('coppice-launch'),
  )
  const guards = await Promise.all(launchers.map(({ pid }) => childrenOf(pid)))
  return [...launchers, ...guards.flat()]
}

async function guards(): Promise<Living[]> {
  return (await ours()).filter(({ pid }) => nameOf(pid) === 'coppice-guard')
}

async function firstOf(look: () => Promise<Living[]>): Promise<Living> {
  let found: Living[] = []
  await eventually(async () => {
    found = await look()
    return found.length > 0
  })
  return found[0] as Living
}

async function childrenOf(parent: number): Promise<Living[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && parentOf(pid) === parent)
  return pids.flatMap((pid) => (startTimeOf(pid) === null ? [] : [living(pid)]))
}
