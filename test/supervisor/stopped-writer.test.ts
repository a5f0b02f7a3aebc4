import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isStopped } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe.skipIf(process.platform !== 'linux')(
  'P7: a process that is stopped in the middle of a write',
  () => {
    test('is continued until that is done, and is stopped again: the others go on', async ({ scene }) => {
      const host = scene.host('host-stopped-while-it-writes.mjs')
      await host.lines.after('writing')
      await eventually(() => isStopped(host.pid))
      const supervisor = await openSupervisor({ state: scene.state })
      expect(await supervisor.run({ session: 'other' }, () => 'ran')).toBe('ran')
      await eventually(() => isStopped(host.pid))
      // It may have had no time to say so before it was stopped again.
      host.child.kill('SIGCONT')
      await host.lines.after('wrote')
      await supervisor.close()
    })

    test('is left alone where it is no supervisor of the file: the others wait for it', async ({ scene }) => {
      await (await openSupervisor({ state: scene.state })).close()
      const other = scene.host('locks-the-state.mjs', [scene.state])
      await other.lines.after('locked')
      other.child.kill('SIGSTOP')
      await eventually(() => isStopped(other.pid))
      const opening = openSupervisor({ state: scene.state })
      await expect(eventually(() => !isStopped(other.pid), { within: 1_500 })).rejects.toThrow('not within')
      other.child.kill('SIGKILL')
      await (await opening).close()
    })
  },
)
