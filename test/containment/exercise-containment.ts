import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Containment, ContainmentKind, Tree } from '#src/containment/contract.js'
import type { Identity } from '#src/identity.js'
import type { Proof } from '#src/proof.js'
import { isAlive, killIfAlive, type Living, living, startTimeOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { Launching } from './launching.ts'
import { exerciseSweep } from './exercise-sweep.ts'

export interface Expectations {
  readonly kind: ContainmentKind
  /** What a report says of a tree of which nothing is left. */
  readonly proofOfNothing: Proof
  /** Whether a daemon that scrubs its environment is held. Where not, the suite shows its escape. */
  readonly holdsEscapes: boolean
}

/** What every kind of containment is held to. */
export function exerciseContainment(name: string, open: () => Promise<Containment>, expectations: Expectations): void {
  describe(`containment ${name}`, () => {
    let containment: Containment
    let folder: string
    let here: Launching
    beforeAll(async () => {
      containment = await open()
      folder = await mkdtemp(join(tmpdir(), 'coppice containment '))
    })
    afterAll(async () => {
      await containment.close()
      await rm(folder, { recursive: true })
    })
    beforeEach(() => {
      here = new Launching(containment)
    })
    afterEach(() => here.assertNothingLives())

    const nothingLeft = { containment: expectations.kind, proof: expectations.proofOfNothing, survivors: [] }

    describe('an exit', () => {
      test('passes every code from 0 to 255 through', async () => {
        const codes = Array.from({ length: 256 }, (_, code) => code)
        for (let first = 0; first < codes.length; first += 32) {
          const batch = codes.slice(first, first + 32)
          const exits = await Promise.all(
            batch.map(async (code) => {
              const { tree } = await here.launch('bash', ['-c', `exit ${code}`])
              await tree.emptied
              return (await tree.exited).code
            }),
          )
          expect(exits).toEqual(batch)
        }
      })

      test.each(['SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGHUP'])('by %s is a signal, not a code', async (signal) => {
        const { tree } = await here.launch('bash', ['-c', `ulimit -c 0; kill -${signal.slice(3)} $$`])
        expect(await tree.exited).toEqual({ code: null, signal })
        await tree.emptied
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0, lingered: 0 })
      })

      test('is told while a descendant holds the output open, and what was written before is there', async () => {
        const { tree, out } = await here.launchFixture('holds-stdout.sh')
        expect(await tree.exited).toEqual({ code: 0, signal: null })
        await out.after('before')
        await out.after('holder')
        tree.kill()
        await tree.emptied
        expect((await tree.report()).lingered).toBe(1)
      })

      test('keeps output for a reader that comes late', async () => {
        const tree = await containment.launch({
          tree: `${here.run}-late`,
          run: here.run,
          command: 'bash',
          args: ['-c', 'seq 1 5000'],
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        await tree.exited
        await tree.emptied
        const chunks = await tree.stdout?.toArray()
        expect(Buffer.concat(chunks ?? []).toString().trim().split('\n')).toHaveLength(5000)
      })

      test('without reading its input is no error', async () => {
        const { tree } = await here.launch('true', [], { stdio: ['pipe', 'pipe', 'inherit'] })
        tree.stdin?.end(Buffer.alloc(10_000_000))
        expect(await tree.exited).toEqual({ code: 0, signal: null })
        await tree.emptied
      })
    })

    describe('a launch that fails', () => {
      test('of a missing command names it', async () => {
        const launch = here.launch('no-such-command-here')
        await expect(launch).rejects.toMatchObject({ code: 'command_not_found', path: 'no-such-command-here' })
        const path = join(folder, 'missing')
        await expect(here.launch(path)).rejects.toMatchObject({ code: 'command_not_found', path })
      })

      test('of a file or folder that is not executable names it, also where PATH led to it', async () => {
        const file = join(folder, 'not-executable')
        await writeFile(file, '#!/bin/sh\n', { mode: 0o644 })
        await expect(here.launch(file)).rejects.toMatchObject({ code: 'command_not_executable', path: file })
        await expect(here.launch(folder)).rejects.toMatchObject({ code: 'command_not_executable', path: folder })
        const launch = here.launch('not-executable', [], { env: { PATH: folder } })
        await expect(launch).rejects.toMatchObject({ code: 'command_not_executable', path: 'not-executable' })
      })

      test('of a script without its interpreter is not executable, for the script is there', async () => {
        const file = join(folder, 'no-interpreter')
        await writeFile(file, '#!/no/such/interpreter\n', { mode: 0o755 })
        await expect(here.launch(file)).rejects.toMatchObject({ code: 'command_not_executable', path: file })
      })

      test('in a missing or wrong working directory names the directory', async () => {
        const missing = join(folder, 'missing')
        const launch = here.launch('true', [], { cwd: missing })
        await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path: missing })
        const file = join(folder, 'a-file')
        await writeFile(file, '')
        await expect(here.launch('true', [], { cwd: file })).rejects.toMatchObject({ code: 'launch_failed', path: file })
      })

      test('for any other reason says so', async () => {
        const launch = here.launch('true', ['a\0b'])
        await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path: 'true' })
      })

      test('signals nobody', async () => {
        const kill = vi.spyOn(process, 'kill')
        try {
          await expect(here.launch('no-such-command-here')).rejects.toThrow('no-such-command-here')
          await expect(here.launch(folder)).rejects.toThrow(folder)
          await expect(here.launch('true', [], { cwd: join(folder, 'missing') })).rejects.toThrow('missing')
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
        const { tree, out } = await here.launchFixture('prints-environment.sh', [], { env, cwd: folder })
        vi.unstubAllEnvs()
        await tree.emptied
        await out.ended
        expect(out.all).toEqual(
          expect.arrayContaining([
            `COPPICE_RUN=${here.run}`,
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
        const { tree, out } = await here.launchFixture('prints-environment.sh', [], { run: null })
        vi.unstubAllEnvs()
        await tree.emptied
        await out.ended
        expect(out.all).toContain(`COPPICE_TREE=${tree.id}`)
        expect(out.all.join()).not.toContain('COPPICE_RUN')
      })
    })

    describe('terminate', () => {
      test('reaches root, child and grandchild, in other groups and sessions too', async () => {
        const { tree, out } = await here.launchFixture('spreads-over-groups.sh')
        for (const name of ['root', 'child', 'grandchild']) await out.after(`ready ${name}`)
        await tree.terminate()
        for (const name of ['root', 'child', 'grandchild']) await out.after(`terminated ${name}`)
        await tree.emptied
        expect(await tree.exited).toEqual({ code: 0, signal: null })
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0 })
        await out.ended
        expect(out.all.filter((line) => line.startsWith('terminated'))).toHaveLength(3)
      })

      test('continues a stopped process, which then ends by its own handler', async () => {
        const { tree, out } = await here.launchFixture('stops-itself.sh')
        const pid = Number(await out.after('ready'))
        await eventually(() => isStopped(pid))
        await tree.terminate()
        expect(await tree.exited).toEqual({ code: 18, signal: null })
        await tree.emptied
      })

      test('leaves a handler the time to finish, and its exit code stands', async () => {
        const { tree, out } = await here.launchFixture('finishes-on-sigterm.sh')
        await out.after('ready')
        await tree.terminate()
        expect(await tree.exited).toEqual({ code: 17, signal: null })
        await out.after('finished')
        await tree.emptied
      })

      test('reaches what a root that has exited left behind', async () => {
        const { tree, out } = await here.launchFixture('daemonizes.sh')
        const daemon = living(Number(await out.after('daemon')))
        await tree.exited
        await tree.terminate()
        await tree.emptied
        expect(isAlive(daemon.pid, daemon.startTime)).toBe(false)
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0, lingered: 1 })
      })
    })

    describe('kill', () => {
      test('ends what ignores SIGTERM', async () => {
        const { tree, out } = await here.launchFixture('ignores-sigterm.sh')
        await out.after('ready')
        await tree.terminate()
        expect(await tree.report()).toMatchObject({ proof: 'survivors', killed: 0 })
        tree.kill()
        await tree.emptied
        expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 2 })
      })

      test.each([0, 3])('ends background jobs after their root exited with %i', async (code) => {
        const { tree } = await here.launchFixture('leaves-background-jobs.sh', [String(code)])
        expect(await tree.exited).toEqual({ code, signal: null })
        const before = await tree.report()
        expect(before).toMatchObject({ proof: 'survivors', lingered: 4 })
        expect(before.survivors.map(({ name }) => name)).toEqual(Array(4).fill(expect.stringMatching(/sleep|nohup/)))
        tree.kill()
        await tree.emptied
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 4, lingered: 4 })
      })

      test.each(['stay', 'exit'])('ends a daemon that kept its environment, roots that %s', async (mode) => {
        const { tree, out } = await here.launchFixture('daemonizes.sh', [mode])
        const daemon = living(Number(await out.after('daemon')))
        if (mode === 'exit') await tree.exited
        tree.kill()
        await tree.emptied
        expect(isAlive(daemon.pid, daemon.startTime)).toBe(false)
      })

      test.each(['stay', 'exit'])('outruns a program that forks without pause, roots that %s', async (mode) => {
        const { tree, out } = await here.launchFixture('hops-by-forking.sh', [mode])
        await out.after('hop 5')
        tree.kill()
        await tree.emptied
        await out.ended
        expect(out.all.length).toBeLessThan(60)
        expect(await tree.report()).toMatchObject(nothingLeft)
      })

      test('ends a tree of many, in other sessions too', async () => {
        const script = 'for i in $(seq 30); do sleep 1000 & setsid sleep 1000 & done; echo ready; wait'
        const { tree, out } = await here.launch('bash', ['-c', script])
        await out.after('ready')
        tree.kill()
        await tree.emptied
        expect((await tree.report()).killed).toBeGreaterThanOrEqual(61)
      })

      test('touches neither siblings nor strangers', async () => {
        const [first, second] = await Promise.all([
          here.launchFixture('ignores-sigterm.sh'),
          here.launchFixture('ignores-sigterm.sh', [], { run: `${here.run}/inner` }),
        ])
        await Promise.all([first.out.after('ready'), second.out.after('ready')])
        first.tree.kill()
        await first.tree.emptied
        expect((await first.tree.report()).killed).toBe(2)
        expect((await second.tree.report()).survivors).toHaveLength(2)
        second.tree.kill()
        await second.tree.emptied
      })

      test('of a tree that has ended signals nobody', async () => {
        const { tree } = await here.launch('true')
        await tree.emptied
        const kill = vi.spyOn(process, 'kill')
        tree.kill()
        await tree.terminate()
        await tree.report()
        expect(kill).not.toHaveBeenCalled()
        kill.mockRestore()
      })
    })

    test('a tree that was abandoned is signalled no more', async () => {
      const { tree, out } = await here.launchFixture('ignores-sigterm.sh')
      await out.after('ready')
      tree.abandon()
      tree.kill()
      await tree.terminate()
      expect((await tree.report()).survivors).toHaveLength(2)
      const left = await containment.sweep({ run: here.run, roots: [tree.root], grace: 0, killBound: 5000 })
      expect(left).toMatchObject({ ...nothingLeft, killed: 2 })
    })

    test(`a daemon that scrubs its environment ${expectations.holdsEscapes ? 'is held' : 'escapes'}`, async () => {
      const { tree, out } = await here.launchFixture('escapes-by-setsid.sh')
      const escaped = living(Number(await out.after('escaped')))
      await eventually(() => isOrphan(escaped, tree))
      tree.kill()
      await tree.emptied
      expect(await tree.report()).toMatchObject(nothingLeft)
      expect(isAlive(escaped.pid, escaped.startTime)).toBe(!expectations.holdsEscapes)
      killIfAlive(escaped)
      await eventually(() => !isAlive(escaped.pid, escaped.startTime))
    })

    exerciseSweep(() => here, expectations)
  })
}
