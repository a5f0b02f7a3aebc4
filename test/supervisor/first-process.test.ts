import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { parentOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { init, inPidNamespace } from '../support/pid-namespace.ts'
import { command, fixture, type Scene, test } from '../support/scene.ts'

/** The first process of a container, which the kernel treats as no other: a signal that it does not handle never comes. */

const first = (scene: Scene, argv: readonly string[], env = {}) =>
  scene.bash('exec "$@"', [...(inPidNamespace ?? []), process.execPath, ...argv], { env })

/** The number out here of whoever is PID 1 in there: unshare(1) has one child. */
async function insideOf(pid: number): Promise<number> {
  const child = () =>
    readdirSync('/proc')
      .map(Number)
      .find((one) => one > 0 && parentOf(one) === pid) ?? 0
  await eventually(() => child() !== 0)
  return child()
}

describe.skipIf(inPidNamespace === null)('a host that is PID 1 (needs a pid namespace)', () => {
  test.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'case 36: closes on %s, and exits with 128 and its number, since it cannot die of it',
    async (signal, { scene }) => {
      const host = first(scene, [fixture('host-handles-signals.mjs'), '2s'])
      await host.lines.after('ready')
      process.kill(await insideOf(host.pid), signal)
      const code = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]
      expect(await host.exited).toMatchObject({ code, stdout: 'ready\nheard\nended run_cancelled\n' })
      const next = await openSupervisor({ state: scene.state })
      expect(await next.transcript('a')).toMatchObject([{ outcome: { cause: 'shutdown', forced: true } }])
      await next.close()
    },
  )

  test('as the command: it cancels, and its exit code says so', async ({ scene }) => {
    const tool = ['bash', '-c', 'trap "exit 0" TERM; echo ready; while :; do sleep 600 & wait; done']
    const host = first(scene, [command, 'run', '--session', 'k', '--', ...tool])
    await host.lines.after('ready')
    process.kill(await insideOf(host.pid), 'SIGTERM')
    expect(await host.exited).toMatchObject({
      code: 143,
      stderr: expect.stringMatching(/^coppice: run \w+ was cancelled: SIGTERM\n$/),
    })
  })

  test('as the command that has not begun: it goes at once', async ({ scene }) => {
    const hangs = join(scene.folder, 'hangs')
    writeFileSync(hangs, '')
    const env = { NODE_OPTIONS: `--import ${fixture('keeper-hangs.mjs')}`, HANGS_WHEN: hangs }
    const host = first(scene, [command, 'run', '--session', 'k', '--', 'sleep', '600'], env)
    await host.lines.with('hangs')
    process.kill(await insideOf(host.pid), 'SIGTERM')
    expect(await host.exited).toMatchObject({ code: 143 })
  })

  test('is refused to end itself where its loop is blocked, and below an init it is not', async ({
    scene,
  }) => {
    const { code, stderr } = await first(scene, [fixture('host-blocked-for-good.mjs')]).exited
    expect(code).toBe(1)
    expect(stderr).toContain('loopTimeout.then: exit cannot end a process that is PID 1')
    if (init === null) return
    const argv = [...(inPidNamespace ?? []), ...init, process.execPath, fixture('host-blocked-for-good.mjs')]
    const host = scene.bash('exec "$@"', argv)
    expect(await host.exited).toMatchObject({ code: 137, stdout: expect.stringMatching(/^run /) })
  })
})
