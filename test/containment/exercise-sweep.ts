import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import type { Identity } from '#src/identity.js'
import { isAlive, killIfAlive, living } from '../support/alive.ts'
import { Lines } from '../support/lines.ts'
import type { Expectations } from './exercise-containment.ts'
import { fixture, type Launching } from './launching.ts'

/** What is left of a run whose supervisor was killed. */
export function exerciseSweep(here: () => Launching, { nothingSwept }: Expectations): void {
  describe('sweep', () => {
    const started: ChildProcess[] = []
    afterEach(() => {
      for (const child of started.splice(0)) child.kill('SIGKILL')
    })

    /** A supervisor that launches a fixture and is killed once that has said `announced`. */
    async function leave(run: string, announced: string, command: string, args: readonly string[] = []) {
      const argv = [fixture('launches-a-tree.mjs'), run, `${run}-left`, fixture(command), ...args]
      const supervisor = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
      started.push(supervisor)
      const out = new Lines(supervisor.stdout)
      const root: Identity = JSON.parse(await out.after('root'))
      const said = await out.after(announced)
      supervisor.kill('SIGKILL')
      await once(supervisor, 'exit')
      return { root, said, out }
    }

    const sweep = (roots: readonly Identity[], grace = 0) =>
      here().containment.sweep({ run: here().run, roots, lastWords: [], grace, killBound: 5000 })

    test('ends a tree by its cookie alone', async () => {
      await leave(here().run, 'ready', 'ignores-sigterm.sh')
      expect(await sweep([])).toMatchObject({ ...nothingSwept, killed: 2, lingered: [{}, {}] })
    })

    test('case 9: ends inner runs, and not those whose name only begins alike', async () => {
      const { run } = here()
      await leave(`${run}/inner`, 'ready', 'ignores-sigterm.sh')
      here().otherRuns.push(`${run}b`)
      const { root: other } = await leave(`${run}b`, 'ready', 'ignores-sigterm.sh')
      const { pid, startTime } = living(other.pid)
      expect(await sweep([])).toMatchObject({ ...nothingSwept, killed: 2 })
      expect(isAlive(pid, startTime)).toBe(true)
      const rest = { run: `${run}b`, roots: [other], lastWords: [], grace: 0, killBound: 5000 }
      expect(await here().containment.sweep(rest)).toMatchObject({ ...nothingSwept, killed: 2 })
    })

    test('ends by the recorded root what has no cookie', async () => {
      const { root, said } = await leave(here().run, 'scrubbed', 'scrubs-environment.sh')
      const scrubbed = living(Number(said))
      expect(await sweep([root])).toMatchObject({ ...nothingSwept, killed: 2 })
      expect(isAlive(scrubbed.pid, scrubbed.startTime)).toBe(false)
    })

    test('leaves a handler its grace, and ends as soon as nothing is left', async () => {
      const { root, out } = await leave(here().run, 'ready', 'finishes-on-sigterm.sh')
      const before = performance.now()
      expect(await sweep([root], 30_000)).toMatchObject({ ...nothingSwept, killed: 0 })
      expect(performance.now() - before).toBeLessThan(10_000)
      await out.after('finished')
    })

    test('kills after the grace', async () => {
      const { root } = await leave(here().run, 'ready', 'ignores-sigterm.sh')
      const before = performance.now()
      expect(await sweep([root], 300)).toMatchObject({ ...nothingSwept, killed: 2 })
      expect(performance.now() - before).toBeGreaterThanOrEqual(300)
    })

    test('case 9: never trusts a recorded number that another process has by now', async () => {
      // The same number, another start time; another boot; another pid namespace: strangers, all three.
      const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
      started.push(stranger)
      const now = living(stranger.pid ?? 0)
      const { root: real, said } = await leave(here().run, 'ready', 'ignores-sigterm.sh')
      const roots = [
        { ...real, pid: now.pid, startTime: '1' },
        { ...real, ...now, bootId: 'another' },
        { ...real, ...now, pidNamespace: 'pid:[1]' },
      ]
      expect(said).toBe('')
      expect(await sweep(roots)).toMatchObject({ ...nothingSwept, killed: 2 })
      expect(isAlive(now.pid, now.startTime)).toBe(true)
      killIfAlive(now)
      await once(stranger, 'exit')
    })

    test('spares whoever sweeps, and those it lives below', async () => {
      const { run } = here()
      const { tree, out } = await here().launchFixture('sweeps-its-own-run.sh', [process.execPath, run], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const report = JSON.parse(await out.after('report'))
      expect(report).toMatchObject({ proof: 'survivors', killed: 1 })
      expect(report.survivors).toMatchObject([{ pid: tree.root.pid }])
      expect(await tree.exited).toEqual({ code: 7, signal: null })
      await tree.emptied
    })

    test('of a run that left nothing is over at once', async () => {
      const before = performance.now()
      expect(await sweep([], 30_000)).toMatchObject({ ...nothingSwept, killed: 0, lingered: [] })
      expect(performance.now() - before).toBeLessThan(5000)
    })
  })
}
