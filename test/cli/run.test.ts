import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { command, test } from '../support/scene.ts'

const hasGit = spawnSync('git', ['--version']).error === undefined

interface Report {
  outcome: {
    state: string
    cause: string
    forced: boolean
    fence: number
    durationMs: number
    message: string
  }
  exec: {
    exit: { code: number | null; signal: string | null }
    forced: boolean
    ended: string
    durationMs: number
  } | null
}

function reportOf(path: string): Report {
  return JSON.parse(readFileSync(path, 'utf8'))
}

describe('coppice run', () => {
  test('times a stubborn tree out, kills all of it, and frees its session for the next run at once', async ({
    scene,
  }) => {
    const report = join(scene.folder, 'r.json')
    const script = 'trap "" TERM; sleep 600 & sleep 600'
    const options = ['--session', 'demo', '--timeout', '2s', '--grace', '1s', '--report', report]
    const begun = performance.now()
    const run = scene.coppice(['run', ...options, '--', 'bash', '-c', script])
    await eventually(() => scene.living().length >= 3)
    const { code, stderr } = await run.exited
    expect(code).toBe(124)
    expect(performance.now() - begun).toBeGreaterThan(3000)
    expect(reportOf(report).outcome.durationMs).toBeLessThan(30_000)
    expect(stderr).toMatch(/^coppice: run \w+ ran out of time\n$/)
    expect(reportOf(report)).toMatchObject({
      outcome: { state: 'timed_out', forced: true },
      exec: { ended: 'timed_out', forced: true, exit: { code: null, signal: 'SIGKILL' } },
    })
    expect(scene.living()).toEqual([])
    const sessions = await scene.coppice(['sessions', '--json']).exited
    expect(JSON.parse(sessions.stdout)).toMatchObject([{ session: 'demo', state: 'free' }])
    expect(
      await scene.coppice(['run', '--session', 'demo', '--wait', '0', '--', 'echo', 'next']).exited,
    ).toMatchObject({
      code: 0,
      stdout: 'next\n',
    })
  })

  test('P4: ends a command that writes nothing for its --stall-timeout, and passes on what it writes', async ({
    scene,
  }) => {
    const script = 'for i in 1 2 3 4 5; do echo $i; echo e$i >&2; sleep 1; done; cat; sleep 600'
    const run = scene.coppice(['run', '--stall-timeout', '4s', '--', 'bash', '-c', script], { stdin: 'pipe' })
    run.child.stdin?.end('read')
    const { code, stdout, stderr } = await run.exited
    expect(code).toBe(124)
    expect(stdout).toBe('1\n2\n3\n4\n5\nread')
    expect(stderr).toMatch(
      /^e1\ne2\ne3\ne4\ne5\ncoppice: run \w+ stalled: no progress for 4s at command bash /,
    )
  })

  test('with --stall-timeout, a command that writes for ever ends when nobody reads it any more', async ({
    scene,
  }) => {
    const pipe = '"$1" "$2" run --stall-timeout 1m -- yes | head -1; echo $PIPESTATUS'
    const { stdout } = await scene.bash(pipe, [process.execPath, scene.command]).exited
    expect(stdout).toBe('y\n143\n')
  })

  test('case 5: cancelled from a second terminal, a tool that cleans up keeps its exit code and is not forced', async ({
    scene,
  }) => {
    const report = join(scene.folder, 'r.json')
    const script = 'trap "sleep 0.5; exit 17" TERM; echo ready; while :; do sleep 600 & wait; done'
    const run = scene.coppice([
      'run',
      '--session',
      'demo',
      '--grace',
      '10m',
      '--report',
      report,
      '--',
      'bash',
      '-c',
      script,
    ])
    await run.lines.after('ready')
    const cancelled = await scene.coppice([
      'cancel',
      '--session',
      'demo',
      '--reason',
      'wrong branch',
      '--json',
    ]).exited
    expect(JSON.parse(cancelled.stdout)).toMatchObject({
      state: 'cancelled',
      message: 'wrong branch',
      forced: false,
    })
    expect(await run.exited).toMatchObject({ code: 143 })
    const { outcome, exec } = reportOf(report)
    expect(outcome).toMatchObject({
      state: 'cancelled',
      cause: 'cancelled',
      message: 'wrong branch',
      forced: false,
    })
    expect(exec).toMatchObject({ exit: { code: 17, signal: null }, forced: false, ended: 'cancelled' })
  })

  test('case 1: exit codes and deaths by signal pass through', async ({ scene }) => {
    for (const code of [0, 1, 2, 17, 124, 255]) {
      expect(await scene.coppice(['run', '--', 'sh', '-c', `exit ${code}`]).exited).toMatchObject({
        code,
        stderr: '',
      })
    }
    expect(await scene.coppice(['run', '--', 'sh', '-c', 'kill -KILL $$']).exited).toMatchObject({
      code: 137,
      signal: null,
    })
    expect(await scene.coppice(['run', '--', 'sh', '-c', 'kill -USR1 $$']).exited).toMatchObject({
      code: 138,
    })
    if (bestHere.containment === 'group') return
    // Node has no names for real-time signals.
    const unnamed = await scene.coppice(['run', '--', 'bash', '-c', 'kill -64 $$']).exited
    expect(unnamed).toMatchObject({ code: 192, stderr: '' })
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    test(`case 15: ${signal} without a terminal cancels, and the exit code says so`, async ({ scene }) => {
      const run = scene.coppice(['run', '--', 'bash', '-c', 'echo ready; sleep 600'])
      await run.lines.after('ready')
      run.child.kill(signal)
      expect(await run.exited).toMatchObject({ code, signal: null })
      expect(scene.living()).toEqual([])
    })
  }

  test.skipIf(bestHere.containment === 'group')(
    'case 18: over a limit of memory or processes it exits with 137, and one line says which limit',
    async ({ scene }) => {
      const report = join(scene.folder, 'r.json')
      const sh = (...args: string[]) => scene.coppice(['run', '--report', report, ...args]).exited
      expect(
        await sh('--memory', '64MB', '--', 'sh', '-c', 'head -c 400m /dev/zero | tail | sleep 600'),
      ).toMatchObject({
        code: 137,
        stderr: 'coppice: the command was ended: it went over its memory limit of 64MB\n',
      })
      expect(reportOf(report)).toMatchObject({
        outcome: { state: 'failed', message: expect.stringContaining('memory limit of 64MB') },
        exec: { ended: 'over_limit' },
      })
      expect(
        await sh('--pids', '4', '--', 'sh', '-c', 'for i in 1 2 3 4 5; do sleep 600 & done; wait'),
      ).toMatchObject({ code: 137, stderr: expect.stringContaining('pids limit of 4') })
      expect(scene.living()).toEqual([])
    },
  )

  test('case 6: a second signal skips the grace', async ({ scene }) => {
    const script = 'trap "echo heard" TERM; echo ready; while :; do sleep 600 & wait; done'
    const run = scene.coppice(['run', '--grace', '10m', '--', 'bash', '-c', script])
    await run.lines.after('ready')
    run.child.kill('SIGTERM')
    await run.lines.after('heard')
    run.child.kill('SIGTERM')
    expect(await run.exited).toMatchObject({ code: 143 })
  })

  test('stdin, stdout and stderr are passed through', async ({ scene }) => {
    writeFileSync(join(scene.folder, 'in'), 'from the file\n')
    const script = `"${process.execPath}" "$0" run -- sh -c 'cat; echo err >&2' < in`
    const { stdout, stderr } = await scene.coppice(['run', '--', 'sh', '-c', script, command], {
      cwd: scene.folder,
    }).exited
    expect(stdout).toBe('from the file\n')
    expect(stderr).toBe('err\n')
  })

  test.skipIf(!hasGit)(
    'real work (needs git and npm): a git clone, the tests of a small package, and grep, outputs and exit codes intact',
    async ({ scene }) => {
      const sh = (script: string) =>
        scene.coppice(['run', '--session', 'work', '--', 'sh', '-euc', script], { cwd: scene.folder }).exited
      const made = await sh(`
      mkdir origin && cd origin && git init -q . && git config user.email a@example.org && git config user.name a
      printf '{"name":"small","scripts":{"test":"node --test"}}' > package.json
      printf 'import test from "node:test"\\ntest("adds", () => { if (1 + 1 !== 2) throw 1 })\\n' > adds.test.mjs
      git add . && git commit -qm first && echo made`)
      expect(made).toMatchObject({ code: 0, stdout: 'made\n', stderr: '' })
      expect(await sh('git clone -q origin clone && git -C clone log --format=%s')).toMatchObject({
        code: 0,
        stdout: 'first\n',
      })
      const tested = await sh('cd clone && npm test --silent')
      expect(tested.stderr).toBe('')
      expect(tested).toMatchObject({ code: 0, stdout: expect.stringMatching(/pass 1/) })
      expect(await sh('grep -rn adds --include=*.mjs clone')).toMatchObject({
        code: 0,
        stdout: 'clone/adds.test.mjs:2:test("adds", () => { if (1 + 1 !== 2) throw 1 })\n',
      })
      expect(await sh('grep -r no-such-word --include=*.mjs clone')).toMatchObject({ code: 1, stdout: '' })
    },
  )

  test('P9: kill -9 of the command: the next run takes over, sweeps the tree and records lost', async ({
    scene,
  }) => {
    const script = 'trap "" TERM; setsid sleep 600 & sleep 600 & echo ready; wait'
    const run = scene.coppice(['run', '--session', 'demo', '--', 'bash', '-c', script])
    await run.lines.after('ready')
    const [{ run: id }] = JSON.parse((await scene.coppice(['ps', '--json']).exited).stdout)
    run.child.kill('SIGKILL')
    await run.died
    expect(scene.living().length, 'without coppice the tools live on').toBeGreaterThanOrEqual(3)
    expect(await scene.coppice(['run', '--session', 'demo', '--', 'echo', 'next']).exited).toMatchObject({
      code: 0,
      stdout: 'next\n',
    })
    expect(scene.living()).toEqual([])
    const shown = JSON.parse((await scene.coppice(['show', id, '--json']).exited).stdout)
    expect(shown).toMatchObject({ state: 'lost', outcome: { cause: 'lost', fence: 2 } })
  })

  test('a busy session: 75 at once with --wait 0, naming the holder, and a wait that ends', async ({
    scene,
  }) => {
    const holder = scene.coppice(['run', '--session', 'demo', '--', 'sh', '-c', 'echo ready; sleep 600'])
    await holder.lines.after('ready')
    const refused = await scene.coppice(['run', '--session', 'demo', '--wait', '0', '--', 'true']).exited
    expect(refused.code).toBe(75)
    expect(refused.stderr).toMatch(
      /^coppice: .*busy: held by run \w+ of pid \d+ on \S+ since \S+Z, 0 others wait\n$/,
    )
    expect(
      await scene.coppice(['run', '--session', 'demo', '--wait', '100ms', '--', 'true']).exited,
    ).toMatchObject({ code: 75 })
    const waiter = scene.coppice(['run', '--session', 'demo', '--', 'echo', 'mine'])
    await eventually(async () => (await scene.coppice(['ps', '--json']).exited).stdout.includes('"waiting"'))
    await scene.coppice(['cancel', '--session', 'demo']).exited
    expect(await waiter.exited).toMatchObject({ code: 0, stdout: 'mine\n' })
    expect(await holder.exited).toMatchObject({ code: 143 })
  })

  test('a report replaces an old one whole, and a folder that cannot hold one is refused before anything runs', async ({
    scene,
  }) => {
    const report = join(scene.folder, 'r.json')
    writeFileSync(report, 'old')
    await scene.coppice(['run', '--report', report, '--', 'no-such-command-here']).exited
    expect(reportOf(report)).toMatchObject({ outcome: { state: 'failed' }, exec: null })
    const mark = join(scene.folder, 'ran')
    const refused = await scene.coppice([
      'run',
      '--report',
      join(scene.folder, 'no', 'r.json'),
      '--',
      'touch',
      mark,
    ]).exited
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--report') })
    expect(existsSync(mark)).toBe(false)
  })
})
