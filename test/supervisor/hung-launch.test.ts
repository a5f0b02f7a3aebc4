import { readdirSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { nameOf, parentOf } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { fixture, type Scene, test } from '../support/scene.ts'

/** Case 24: cancel while launching, here in an exec that waits for a file system that does not answer. */
describe.skipIf(bestHere.containment === 'group')('case 24: a launch that hangs', () => {
  async function hungProgram(scene: Scene): Promise<string> {
    const path = join(scene.folder, 'hung')
    await copyFile('/bin/sleep', path)
    const holder = scene.bash('exec "$@"', [fixture('holds-up-exec.pl'), path])
    await holder.lines.after('held')
    return path
  }

  test('dies with its run, and its command never runs', async ({ scene }) => {
    const path = await hungProgram(scene)
    const supervisor = await openSupervisor({ state: scene.state, killBound: '30s' })
    const handle = supervisor.start({ session: 'a' }, (run) => run.exec(path, ['1000']))
    handle.result.catch(() => {})
    await eventually(() => guards().length > 0)
    expect(await handle.cancel({ grace: 100 })).toMatchObject({
      state: 'cancelled',
      trees: 1,
      tree: { proof: 'empty' },
    })
    // It has told that its tree is empty, and may be on its way out.
    await eventually(() => guards().length === 0)
    await supervisor.close()
  })

  test('is cancelled by itself while its run goes on', async ({ scene }) => {
    const path = await hungProgram(scene)
    const supervisor = await openSupervisor({ state: scene.state })
    const result = await supervisor.run({}, async (run) => {
      const tool = run.exec(path, ['1000'])
      await eventually(() => guards().length > 0)
      return tool.cancel({ grace: 100 })
    })
    expect(result).toMatchObject({ ok: false, ended: 'cancelled', forced: true })
    await supervisor.close()
  })
})

/** Those of this process's own launcher. */
function guards(): number[] {
  const pids = readdirSync('/proc').map(Number)
  return pids.filter((pid) => nameOf(pid) === 'coppice-guard' && parentOf(parentOf(pid)) === process.pid)
}
