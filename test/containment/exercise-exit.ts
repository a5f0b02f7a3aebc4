import { describe, expect, test } from 'vitest'
import type { Expectations } from './exercise-containment.ts'
import type { Launching } from './launching.ts'

/** What is told of the root's end, and its output and input around it. */
export function exerciseExit(here: () => Launching, { nothingLeft }: Expectations): void {
  describe('an exit', () => {
    test('passes every code from 0 to 255 through', async () => {
      const codes = Array.from({ length: 256 }, (_, code) => code)
      for (let first = 0; first < codes.length; first += 32) {
        const batch = codes.slice(first, first + 32)
        const exits = await Promise.all(
          batch.map(async (code) => {
            const { tree } = await here().launch('bash', ['-c', `exit ${code}`])
            await tree.emptied
            return (await tree.exited).code
          }),
        )
        expect(exits).toEqual(batch)
      }
    })

    test.each(['SIGKILL', 'SIGTERM', 'SIGSEGV', 'SIGHUP'])(
      'by %s is a signal, not a code',
      async (signal) => {
        const { tree } = await here().launch('bash', ['-c', `ulimit -c 0; kill -${signal.slice(3)} $$`])
        expect(await tree.exited).toEqual({ code: null, signal })
        await tree.emptied
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0, lingered: [] })
      },
    )

    test('is told while a descendant holds the output open, and what was written before is there', async () => {
      const { tree, out } = await here().launchFixture('holds-stdout.sh')
      expect(await tree.exited).toEqual({ code: 0, signal: null })
      await out.after('before')
      await out.after('holder')
      tree.kill()
      await tree.emptied
      expect((await tree.report()).lingered).toHaveLength(1)
    })

    test('keeps output for a reader that comes late', async () => {
      const { tree, stdout } = await here().launchUnread('bash', ['-c', 'seq 1 5000'])
      await tree.exited
      await tree.emptied
      const chunks = await stdout?.toArray()
      expect(
        Buffer.concat(chunks ?? [])
          .toString()
          .trim()
          .split('\n'),
      ).toHaveLength(5000)
    })

    test('without reading its input is no error', async () => {
      const { tree, stdin } = await here().launch('true', [], { stdio: ['pipe', 'pipe', 'inherit'] })
      stdin?.end(Buffer.alloc(10_000_000))
      expect(await tree.exited).toEqual({ code: 0, signal: null })
      await tree.emptied
    })
  })
}
