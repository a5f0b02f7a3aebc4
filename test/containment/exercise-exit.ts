import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { Expectations } from './exercise-containment.ts'
import type { Launching } from './launching.ts'

/** Those that Node has a name for; two names of one number are one signal. */
const deadly = Object.entries(constants.signals).filter(
  ([name, number], at, all) =>
    !/^SIG(STOP|TSTP|TTIN|TTOU|CHLD|CONT|URG|WINCH)$/.test(name) &&
    all.findIndex((one) => one[1] === number) === at,
)

/** What is told of the root's end, and its output and input around it. */
export function exerciseExit(
  here: () => Launching,
  { nothingLeft, tellsRealTimeSignals, accountsUsage, hasSignals }: Expectations,
): void {
  describe('an exit', () => {
    test('case 1: passes every code from 0 to 255 through', async () => {
      const codes = Array.from({ length: 256 }, (_, code) => code)
      for (let first = 0; first < codes.length; first += 32) {
        const batch = codes.slice(first, first + 32)
        const exits = await Promise.all(
          batch.map(async (code) => {
            const { tree } = await here().launch('sh', ['-c', `exit ${code}`])
            await tree.emptied
            return (await tree.exited).code
          }),
        )
        expect(exits).toEqual(batch)
      }
    })

    // Where there are none, an exit is a code and nothing else.
    test.runIf(hasSignals)(
      'case 1: by any signal that can end a process is that signal, not a code',
      async () => {
        const deaths = await Promise.all(
          deadly.map(async ([signal, number]) => {
            // A shell ignores some of them for itself, and Perl one.
            const dies = `$SIG{FPE} = "DEFAULT"; kill ${number}, $$; sleep 10`
            const { tree } = await here().launch('sh', ['-c', 'ulimit -c 0; exec perl -e "$0"', dies])
            await tree.emptied
            expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0, lingered: [] })
            return [signal, await tree.exited]
          }),
        )
        expect(deaths).toEqual(deadly.map(([signal]) => [signal, { code: null, signal }]))
      },
    )

    test.runIf(hasSignals)(
      `case 1: by a real-time signal is ${tellsRealTimeSignals ? 'that signal' : 'a code 0, which is all that Node tells'}`,
      async () => {
        const { tree } = await here().launch('bash', ['-c', 'kill -64 $$'])
        const told = tellsRealTimeSignals ? { code: null, signal: 'SIG64' } : { code: 0, signal: null }
        expect(await tree.exited).toEqual(told)
        await tree.emptied
      },
    )

    test('case 10: is told while a descendant holds the output open, and what was written before is there', async () => {
      const { tree, out } = await here().launchFixture('holds-stdout.sh')
      expect(await tree.exited).toEqual({ code: 0, signal: null })
      await out.after('before')
      await out.after('holder')
      tree.kill()
      await tree.emptied
      expect((await tree.report()).lingered).toHaveLength(1)
    })

    // Perl is not there where there are no signals, and Wine accounts no time: docs/windows.md.
    test.runIf(hasSignals)(
      `case 19: comes with the usage of the whole tree${accountsUsage ? '' : ', which nobody here can account'}`,
      async () => {
        const { tree } = await here().launchFixture('burns-in-three-generations.pl')
        await tree.emptied
        const { usage } = await tree.report()
        if (accountsUsage) {
          expect(usage?.cpuMs).toBeGreaterThanOrEqual(900)
          expect(usage?.maxRssBytes).toBeGreaterThanOrEqual(64 * 1024 * 1024)
        } else expect(usage).toBeNull()
      },
    )

    test('case 16: keeps output for a reader that comes late', async () => {
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

    test('case 17: without reading its input is no error', async () => {
      const { tree, stdin } = await here().launch('true', [], { stdio: ['pipe', 'pipe', 'inherit'] })
      stdin?.end(Buffer.alloc(10_000_000))
      expect(await tree.exited).toEqual({ code: 0, signal: null })
      await tree.emptied
    })
  })
}
