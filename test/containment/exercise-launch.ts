import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Launching } from './launching.ts'

/** How a launch fails, and what environment it gives. */
export function exerciseLaunch(here: () => Launching): void {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coppice containment '))
  })
  afterAll(() => rm(folder, { recursive: true }))

  describe('a launch that fails', () => {
    test('case 2: of a missing command names it', async () => {
      const launch = here().launch('no-such-command-here')
      await expect(launch).rejects.toMatchObject({ code: 'command_not_found', path: 'no-such-command-here' })
      // Searching this folder is refused to all but root.
      const locked = join(folder, 'locked')
      await mkdir(locked, { mode: 0 })
      const search = here().launch('no-such-command-here', [], {
        env: { PATH: [locked, '/usr/bin'].join(delimiter) },
      })
      await expect(search).rejects.toMatchObject({ code: 'command_not_found', path: 'no-such-command-here' })
      const path = join(folder, 'missing')
      await expect(here().launch(path)).rejects.toMatchObject({ code: 'command_not_found', path })
    })

    test('case 2: of a file or folder that is not executable names it, also where PATH led to it', async () => {
      const file = join(folder, 'not-executable')
      await writeFile(file, '#!/bin/sh\n', { mode: 0o644 })
      await expect(here().launch(file)).rejects.toMatchObject({ code: 'command_not_executable', path: file })
      await expect(here().launch(folder)).rejects.toMatchObject({
        code: 'command_not_executable',
        path: folder,
      })
      const launch = here().launch('not-executable', [], { env: { PATH: folder } })
      await expect(launch).rejects.toMatchObject({ code: 'command_not_executable', path: 'not-executable' })
    })

    test('case 2: of a script without its interpreter is not executable, for the script is there', async () => {
      const file = join(folder, 'no-interpreter')
      await writeFile(file, '#!/no/such/interpreter\n', { mode: 0o755 })
      await expect(here().launch(file)).rejects.toMatchObject({ code: 'command_not_executable', path: file })
    })

    test('case 2: in a missing or wrong working directory names the directory', async () => {
      const missing = join(folder, 'missing')
      const launch = here().launch('true', [], { cwd: missing })
      await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path: missing })
      const file = join(folder, 'a-file')
      await writeFile(file, '')
      await expect(here().launch('true', [], { cwd: file })).rejects.toMatchObject({
        code: 'launch_failed',
        path: file,
      })
    })

    test('for any other reason says so', async () => {
      const launch = here().launch('true', ['a\0b'])
      await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path: 'true' })
    })

    test('case 3: signals nobody', async () => {
      const kill = vi.spyOn(process, 'kill')
      try {
        await expect(here().launch('no-such-command-here')).rejects.toThrow('no-such-command-here')
        await expect(here().launch(folder)).rejects.toThrow(folder)
        await expect(here().launch('true', [], { cwd: join(folder, 'missing') })).rejects.toThrow('missing')
        expect(kill).not.toHaveBeenCalled()
      } finally {
        kill.mockRestore()
      }
    })
  })

  describe('the environment', () => {
    test('carries run and tree, what was asked for, and not what was to be removed', async () => {
      vi.stubEnv('COPPICE_TEST_KEPT', 'kept')
      vi.stubEnv('COPPICE_TEST_REMOVED', 'removed')
      const env = { COPPICE_TEST_REMOVED: undefined, COPPICE_TEST_ADDED: 'a=b c' }
      const { tree, out } = await here().launchFixture('prints-environment.sh', [], { env, cwd: folder })
      vi.unstubAllEnvs()
      await tree.emptied
      await out.ended
      expect(out.all).toEqual(
        expect.arrayContaining([
          `COPPICE_RUN=${here().run}`,
          `COPPICE_TREE=${tree.id}`,
          'COPPICE_TEST_KEPT=kept',
          'COPPICE_TEST_ADDED=a=b c',
          `PWD=${folder}`,
        ]),
      )
      expect(out.all.join()).not.toContain('COPPICE_TEST_REMOVED')
    })

    test('of a tree without a run holds no inherited one', async () => {
      vi.stubEnv('COPPICE_RUN', 'outer')
      vi.stubEnv('COPPICE_TREE', 'outer-tree')
      const { tree, out } = await here().launchFixture('prints-environment.sh', [], { run: null })
      vi.unstubAllEnvs()
      await tree.emptied
      await out.ended
      expect(out.all).toContain(`COPPICE_TREE=${tree.id}`)
      expect(out.all.join()).not.toContain('COPPICE_RUN')
    })
  })
}
