import { describe, expect, test, vi } from 'vitest'
import { isAlive, isStopped, killIfAlive, living } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import type { Expectations } from './exercise-containment.ts'
import { fixture, type Launching, survivorsIn } from './launching.ts'

/** Longer than any of these programs needs: what a containment would kill at its end is killed by the tests. */
const grace = 60_000

/** How a tree is ended, whatever it does. */
export function exerciseEnding(
  here: () => Launching,
  { nothingLeft, nothingSwept, holdsEscapes, outrunsForks, hasSignals }: Expectations,
): void {
  describe('terminate', () => {
    test('case 4: reaches root, child and grandchild, in other groups and sessions too', async () => {
      const { tree, out } = await here().launchFixture('spreads-over-groups.sh')
      for (const name of ['root', 'child', 'grandchild']) await out.after(`ready ${name}`)
      await tree.terminate(grace)
      for (const name of ['root', 'child', 'grandchild']) await out.after(`terminated ${name}`)
      await tree.emptied
      expect(await tree.exited).toEqual({ code: 0, signal: null })
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0 })
      await out.ended
      expect(out.all.filter((line) => line.startsWith('terminated'))).toHaveLength(3)
    })

    // Windows stops no process.
    test.runIf(hasSignals)(
      'case 4: continues a stopped process, which then ends by its own handler',
      async () => {
        const { tree, out } = await here().launchFixture('stops-itself.sh')
        const pid = Number(await out.after('ready'))
        await eventually(() => isStopped(pid))
        await tree.terminate(grace)
        expect(await tree.exited).toEqual({ code: 18, signal: null })
        await tree.emptied
      },
    )

    test('case 5: leaves a handler the time to finish, its exit code stands, and the wait ends with the tree', async () => {
      const { tree, out } = await here().launchFixture('finishes-on-sigterm.sh')
      await out.after('ready')
      const begun = performance.now()
      await tree.terminate(grace)
      expect(await tree.exited).toEqual({ code: 17, signal: null })
      await out.after('finished')
      await tree.emptied
      expect(performance.now() - begun, 'the grace is longer').toBeLessThan(grace / 4)
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0 })
    })

    // A job holds processes, whichever thread starts them; Node in a new group has Ctrl-C disabled, all that Wine has.
    test.runIf(hasSignals)(
      'case 19b: reaches a child that a thread other than the main one has forked',
      async () => {
        const forks = here().launch(process.execPath, [fixture('forks-from-a-thread.mjs')])
        const { tree, out } = await forks
        const child = living(Number(await out.after('child')))
        await tree.terminate(grace)
        await tree.emptied
        expect(isAlive(child.pid, child.startTime)).toBe(false)
        expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0 })
      },
    )

    test('case 7: reaches what a root that has exited left behind', async () => {
      const { tree, out } = await here().launchFixture('daemonizes.sh')
      const daemon = living(Number(await out.after('daemon')))
      await tree.exited
      await tree.terminate(grace)
      await tree.emptied
      expect(isAlive(daemon.pid, daemon.startTime)).toBe(false)
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 0, lingered: [{}] })
    })
  })

  describe('kill', () => {
    test('case 8: ends what ignores SIGTERM', async () => {
      const { tree, out } = await here().launchFixture('ignores-sigterm.sh')
      await out.after('ready')
      await tree.terminate(grace)
      expect(await survivorsIn(tree)).toMatchObject({ killed: 0 })
      tree.kill()
      await tree.emptied
      expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 2 })
    })

    test('is heard of also where it is asked for many times more', async () => {
      const { tree, out } = await here().launchFixture('ignores-sigterm.sh')
      await out.after('ready')
      for (let time = 0; time < 50; time++) tree.kill()
      await tree.emptied
      expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 2 })
    })

    test.each([0, 3])('case 7: ends background jobs after their root exited with %i', async (code) => {
      const { tree, out } = await here().launchFixture('leaves-background-jobs.sh', [String(code)])
      expect(await tree.exited).toEqual({ code, signal: null })
      const before = await survivorsIn(tree)
      expect(before).toMatchObject({ lingered: [{}, {}, {}, {}] })
      // What it wrote before its exit comes by another way than the news of that.
      await eventually(() => out.all.length === 4)
      const left = out.all.map((line) => Number(line.replace('left ', '')))
      expect(before.survivors.map(({ pid }) => pid).toSorted()).toEqual(left.toSorted())
      tree.kill()
      await tree.emptied
      expect(await tree.report()).toMatchObject({ ...nothingLeft, killed: 4, lingered: [{}, {}, {}, {}] })
    })

    test.each(['stay', 'exit'])(
      'case 8: ends a daemon that kept its environment, roots that %s',
      async (mode) => {
        const { tree, out } = await here().launchFixture('daemonizes.sh', [mode])
        const daemon = living(Number(await out.after('daemon')))
        if (mode === 'exit') await tree.exited
        tree.kill()
        await tree.emptied
        expect(isAlive(daemon.pid, daemon.startTime)).toBe(false)
      },
    )

    // By another program where there is no fork: beds/windows.
    test.runIf(hasSignals).each(['stay', 'exit'])(
      'case 8: outruns a program that forks without pause, roots that %s',
      async (mode) => {
        const { tree, out } = await here().launchFixture('hops-by-forking.sh', [mode])
        await out.after('hop 5')
        tree.kill()
        await tree.emptied
        await out.ended
        if (outrunsForks) expect(out.all.length).toBeLessThan(60)
        expect(await tree.report()).toMatchObject(nothingLeft)
      },
    )

    test('case 8: ends a tree of many, in other sessions too', async () => {
      const script = 'for i in $(seq 30); do sleep 1000 & setsid sleep 1000 & done; echo ready; wait'
      const { tree, out } = await here().launch('bash', ['-c', script])
      await out.after('ready')
      tree.kill()
      await tree.emptied
      expect((await tree.report()).killed).toBeGreaterThanOrEqual(61)
    })

    test('case 9: touches neither siblings nor strangers', async () => {
      const [first, second] = await Promise.all([
        here().launchFixture('ignores-sigterm.sh'),
        here().launchFixture('ignores-sigterm.sh', [], { run: `${here().run}/inner` }),
      ])
      await Promise.all([first.out.after('ready'), second.out.after('ready')])
      first.tree.kill()
      await first.tree.emptied
      expect((await first.tree.report()).killed).toBe(2)
      expect((await survivorsIn(second.tree)).survivors).toHaveLength(2)
      second.tree.kill()
      await second.tree.emptied
    })

    test('case 9: of a tree that has ended signals nobody', async () => {
      const { tree } = await here().launch('true')
      await tree.emptied
      const kill = vi.spyOn(process, 'kill')
      tree.kill()
      await tree.terminate(grace)
      await tree.report()
      expect(kill).not.toHaveBeenCalled()
      kill.mockRestore()
    })
  })

  test('a tree that was abandoned is signalled no more', async () => {
    const bounds = { timeout: Number.POSITIVE_INFINITY, grace: 100, killBound: 5_000 }
    const { tree, out } = await here().launchFixture('ignores-sigterm.sh', [], { bounds })
    await out.after('ready')
    tree.abandon()
    tree.kill()
    await tree.terminate(grace)
    expect((await survivorsIn(tree)).survivors).toHaveLength(2)
    const left = await here().containment.sweep({
      run: here().run,
      roots: [tree.root],
      lastWords: [],
      grace: 0,
      killBound: 5000,
    })
    expect(left).toMatchObject(nothingSwept)
  })

  test(`case 8: a daemon that scrubs its environment ${holdsEscapes ? 'is held' : 'escapes'}`, async () => {
    const { tree, out } = await here().launchFixture('escapes-by-setsid.sh')
    const escaped = living(Number(await out.after('escaped')))
    tree.kill()
    await tree.emptied
    expect(await tree.report()).toMatchObject(nothingLeft)
    expect(isAlive(escaped.pid, escaped.startTime)).toBe(!holdsEscapes)
    killIfAlive(escaped)
    await eventually(() => !isAlive(escaped.pid, escaped.startTime))
  })
}
