import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { type ExecOptions, openSupervisor, type Run, type RunHandle, type Supervisor } from 'coppice'
import { type ExecHandle, exec } from 'coppice/exec'
import { describe, expect } from 'vitest'
import { startTimeOf } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { command, type Scene, test } from '../support/scene.ts'

const MB = 1024 * 1024

/** Runs one callback in a supervisor of its own. */
async function inRun<T>(state: string, fn: (run: Run, supervisor: Supervisor) => Promise<T>): Promise<T> {
  const supervisor = await openSupervisor({ state })
  try {
    return await supervisor.run({}, (run) => fn(run, supervisor))
  } finally {
    await supervisor.close()
  }
}

/** Without a turn of this thread's event loop. */
function untilEndedAsSeenFromOutside({ id }: RunHandle<unknown>, { env }: Scene): void {
  const options = { env, encoding: 'utf8', timeout: 20_000 } as const
  for (const until = performance.now() + 20_000; performance.now() < until; ) {
    const { stdout } = spawnSync(process.execPath, [command, 'show', id, '--json'], options)
    if (JSON.parse(stdout).outcome !== null) return
  }
}

function sh(script: string, options: ExecOptions = {}) {
  return exec('sh', ['-c', script], options)
}

describe('run.exec', () => {
  test('resolves for every exit with output, exit and tree, and rejects where nothing was launched', async ({
    scene,
  }) => {
    await inRun(scene.state, async (run, supervisor) => {
      const failed = await run.exec('sh', ['-c', 'echo out; echo err >&2; exit 3'])
      expect(failed).toMatchObject({
        ok: false,
        exit: { code: 3, signal: null },
        ended: 'exited',
        forced: false,
        stdout: 'out\n',
        stderr: 'err\n',
        truncated: 0,
        tree: { survivors: [], ...bestHere },
      })
      expect(() => failed.orThrow()).toThrowError(/code 3.*err/s)
      expect((await run.exec('true')).orThrow().ok).toBe(true)
      await expect(run.exec('no-such-command-here')).rejects.toMatchObject({ code: 'command_not_found' })
      await expect(run.exec('/etc')).rejects.toMatchObject({ code: 'command_not_executable', path: '/etc' })
      // A tree’s record is nobody’s to wait for; what its run writes afterwards is stored after it.
      await run.append('after them')
      expect(await supervisor.trees(run.id)).toMatchObject([
        {
          command: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
          end: { ended: 'exited', exit: { code: 3 } },
        },
        { command: ['true'] },
      ])
    })
  })

  test('its own timeout ends it and not its run; so does cancel', async ({ scene }) => {
    await inRun(scene.state, async (run) => {
      const slow = await run.exec('sleep', ['600'], { timeout: '100ms' })
      expect(slow).toMatchObject({
        ok: false,
        ended: 'timed_out',
        forced: false,
        exit: { signal: 'SIGTERM' },
      })
      const handle = run.exec('sh', ['-c', 'trap "exit 17" TERM; echo ready; while :; do sleep 0.01; done'])
      await handle.stdout[Symbol.asyncIterator]().next()
      expect(await handle.cancel()).toMatchObject({ ended: 'cancelled', exit: { code: 17 }, forced: false })
      expect(await run.exec('true')).toMatchObject({ ok: true })
    })
  })

  test('an ended run rejects its exec with the run’s own error, which holds what became of the command', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    let told: unknown
    const handle = supervisor.start({ timeout: '2s' }, async (run) => {
      await run.exec('sleep', ['600']).catch((error: unknown) => {
        told = error
      })
    })
    await expect(handle.result).rejects.toMatchObject({ code: 'run_timed_out' })
    expect(told).toMatchObject({
      code: 'run_timed_out',
      name: 'TimeoutError',
      exec: { ended: 'timed_out', exit: { signal: 'SIGTERM' } },
    })
    expect(await handle.outcome).toMatchObject({ state: 'timed_out', callback: 'settled', forced: false })
    await supervisor.close()
  })

  for (const [who, wait] of [
    ['that ignored its signal', async ({ outcome }: RunHandle<unknown>) => void (await outcome)],
    ['that blocked its loop, and with it all news of that end', untilEndedAsSeenFromOutside],
  ] as const) {
    test(`P6: a launch after the run’s end, by a callback ${who}, launches nothing`, async ({ scene }) => {
      const supervisor = await openSupervisor({ state: scene.state, timeout: '100ms', grace: 0 })
      const mark = join(scene.folder, 'ran')
      const late = Promise.withResolvers<unknown>()
      const handle: RunHandle<unknown> = supervisor.start({ session: 'a' }, async (run) => {
        await wait(handle, scene)
        late.resolve(run.exec('touch', [mark]).catch((error: unknown) => error))
      })
      expect(await handle.outcome).toMatchObject({ state: 'timed_out', callback: 'left_behind', trees: 0 })
      expect(await late.promise).toMatchObject({ code: 'run_ended', run: handle.id })
      const next = { session: 'a', ifBusy: 'refuse', timeout: '10s' } as const
      expect(await supervisor.run(next, () => 'free')).toBe('free')
      expect(existsSync(mark)).toBe(false)
      expect(await supervisor.trees(handle.id)).toEqual([])
      await supervisor.close()
    })
  }

  test('a reader that stops for good: the command waits for it, and its run still ends on time', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, drainBound: '1m' })
    const flood = ['-c', 'head -c 20971520 /dev/zero'] as const
    const unasked = await supervisor.run({ session: 'a' }, (run) => run.exec('sh', flood))
    expect(unasked).toMatchObject({ ok: true })
    const handle = supervisor.start({ session: 'a', timeout: '500ms' }, async (run) => {
      const tool = run.exec('sh', flood)
      expect(tool.stdout.readableFlowing).toBeNull()
      await tool
    })
    const outcome = await handle.outcome
    expect(outcome).toMatchObject({ state: 'timed_out', callback: 'settled', forced: false })
    expect(outcome.durationMs, 'it waits for no drain bound').toBeLessThan(500 + 30_000)
    expect(await supervisor.run({ session: 'a', ifBusy: 'refuse' }, () => 'free')).toBe('free')
    await supervisor.close()
  })

  test('a reader that goes away: the command goes on, and its result is whole', async ({ scene }) => {
    await inRun(scene.state, async (run) => {
      const tool = run.exec('sh', ['-c', 'head -c 20971520 /dev/zero; echo end'])
      const { stdout } = tool
      await eventually(() => stdout.readableLength > 0)
      stdout.destroy()
      const result = await tool
      expect(result).toMatchObject({ ok: true, truncated: 10 * MB + 'end\n'.length })
      expect(result.stdout).toMatch(/end\n$/)
    })
  })

  test('a handle that nobody awaits is no unhandled rejection', async ({ scene }) => {
    await inRun(scene.state, async (run) => {
      run.exec('no-such-command-here')
      await run.exec('true')
    })
  })
})

describe('coppice/exec: a tree without run or store', () => {
  test('a reader that stops makes the tool wait, and gets everything when it goes on', async ({ scene }) => {
    expect(scene.living()).toEqual([])
    const handle = sh('head -c 20971520 /dev/zero; echo done >&2')
    const stdout = handle.stdout
    let done = false
    handle.stderr.on('data', () => (done = true))
    await eventually(() => stdout.readableLength > 0)
    stdout.pause()
    expect(done).toBe(false)
    let read = 0
    for await (const chunk of stdout) read += (chunk as Buffer).length
    expect(read).toBe(20 * MB)
    expect(await handle).toMatchObject({ ok: true })
  })

  test('environment, folder and arguments are as asked', async ({ scene }) => {
    process.env.COPPICE_GIVEN = 'kept'
    process.env.COPPICE_TAKEN = 'gone'
    const result = await sh('pwd; echo "$COPPICE_GIVEN/$COPPICE_TAKEN/$COPPICE_ADDED"', {
      cwd: scene.folder,
      env: { COPPICE_TAKEN: undefined, COPPICE_ADDED: 'ä b"' },
    })
    expect(result.stdout).toBe(`${scene.folder}\nkept//ä b"\n`)
    expect((await exec('printf', ['%s|', '', 'a b', '$x', "'", '\n'])).stdout).toBe("|a b|$x|'|\n|")
  })

  test('case 2: a wrong folder, a missing command and bad options each name what is wrong', async ({
    scene,
  }) => {
    expect(scene.living()).toEqual([])
    await expect(exec('true', [], { cwd: '/no/such/folder' })).rejects.toMatchObject({
      code: 'launch_failed',
      message: expect.stringContaining('/no/such/folder'),
    })
    await expect(exec('./no-such-file')).rejects.toMatchObject({ code: 'command_not_found' })
    const invalid = (run: () => unknown, message: RegExp) =>
      expect(run).toThrowError(
        expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) }),
      )
    invalid(
      () => exec('true', [], { timeout: 'soon' as '1s' }),
      /^timeout: "soon" is no duration \(write 500ms/,
    )
    invalid(() => exec('true', [], { tiemout: 1 } as ExecOptions), /no option tiemout/)
    invalid(() => exec('tr\0ue'), /NUL/)
    invalid(() => exec(''), /empty/)
    invalid(() => exec('true', 'x' as unknown as string[]), /args/)
  })

  test('cancelled while it is being launched, it ends all the same', async ({ scene }) => {
    expect(scene.living()).toEqual([])
    const handle = exec('sleep', ['600'])
    const result = await handle.cancel({ grace: 0 })
    expect(result.ended).toBe('cancelled')
    expect(startTimeOf(await handle.pid)).toBeNull()
  })
})

test('P7: a command steps back by as much as nice says, and by ten by itself; nice is checked', async ({
  scene,
}) => {
  const own = getPriority()
  const niceOf = async (handle: ExecHandle) => Number((await handle).orThrow().stdout) - own
  await inRun(scene.state, async (run) => {
    expect(await niceOf(run.exec('nice'))).toBe(10)
    expect(await niceOf(run.exec('nice', [], { nice: 0 }))).toBe(0)
    expect(await niceOf(run.exec('nice', [], { nice: 3 }))).toBe(3)
    for (const nice of [-1, 20, 1.5, '5'])
      expect(() => run.exec('nice', [], { nice: nice as number })).toThrowError(/^nice: .* from 0 to 19/)
  })
  expect(await niceOf(exec('nice'))).toBe(10)
})
