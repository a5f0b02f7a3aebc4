import { execFileSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { fixture, type Scene, test } from '../support/scene.ts'

const whole = { stdout: 'in\nout\n', stderr: 'err\n', code: 0 }

describe.for(kindsHere)('case 19c: a supervisor in want, in the middle of a launch, by %s', (kind) => {
  async function inWant(scene: Scene, want: string, limits: string) {
    const fifo = join(scene.folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    const argv = [process.execPath, fixture('host-in-want.mjs'), kind, want, fifo]
    const host = scene.bash(`${limits}; exec "$@"`, argv, { stdin: 'pipe' })
    if (want === 'threads') expect(await host.lines.after('pool ')).toBe('hangs')
    const without = JSON.parse(await host.lines.after('without '))
    // Nobody's guard waits for pipes that nobody will open.
    await eventually(() => scene.living().length + scene.guards().length === 0)
    host.child.stdin?.end('go\n')
    const later = JSON.parse(await host.lines.after('with '))
    await host.lines.after('closed')
    expect((await host.exited).code).toBe(0)
    return { without, later }
  }

  test('of descriptors: the launch fails, no guard waits, and the next launch works', async ({ scene }) => {
    const { without, later } = await inWant(scene, 'descriptors', 'ulimit -n 80')
    expect(without).toMatchObject({ code: 'launch_failed', message: expect.stringContaining('EMFILE') })
    expect(later).toEqual(whole)
  })

  test('of threads in its pool: a launch needs none of them', async ({ scene }) => {
    const { without, later } = await inWant(scene, 'threads', ':')
    expect(without).toEqual(whole)
    expect(later).toEqual(whole)
  })

  test('of a turn of its loop, and then gone: what was launched ends, and its guard waits for nobody', async ({
    scene,
  }) => {
    for (const tool of ['exit 0', 'sleep 600']) {
      const host = scene.host(
        'host-blocks-in-a-launch.mjs',
        [kind, 'sh', '-c', `echo out; touch ran; ${tool}`],
        {
          cwd: scene.folder,
        },
      )
      await host.lines.after('blocked')
      await eventually(() => existsSync(join(scene.folder, 'ran')))
      rmSync(join(scene.folder, 'ran'))
      host.child.kill('SIGKILL')
      await host.died
      if (kind === 'group') {
        const next = await openSupervisor({ state: scene.state, grace: '300ms' })
        await next.run({ session: 'a', wait: '20s' }, () => {})
        await next.close()
      }
      await eventually(() => scene.living().length + scene.guards().length + scene.launchers().length === 0)
    }
  })
})
