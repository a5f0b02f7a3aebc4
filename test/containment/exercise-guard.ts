import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isAlive, living, parentOf } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import type { Launching } from './launching.ts'

/** What a guard is held to besides, in a cgroup or not: what would do harm where the root's parent is a supervisor. */
export function exerciseGuard(here: () => Launching): void {
  describe('its guard', () => {
    test('case 14: waits for a hundred orphans while their root lives: none is left a zombie', async () => {
      const { tree, out } = await here().launchFixture('leaves-a-hundred-orphans.pl')
      await out.after('left 100')
      const guard = parentOf(tree.root.pid)
      await eventually(() => childrenOf(guard).every((pid) => pid === tree.root.pid))
      const launcher = parentOf(guard)
      tree.kill()
      await tree.emptied
      await eventually(() => zombiesOf(launcher).length === 0)
    })

    test('leaves the kernel a tool to take where memory runs out, before itself and the supervisor', async () => {
      const { tree, out } = await here().launch('sh', [
        '-c',
        'echo score $(cat /proc/self/oom_score_adj); exec sleep 1000',
      ])
      expect(await out.after('score')).toBe('1000')
      const guard = parentOf(tree.root.pid)
      const scores = [guard, parentOf(guard), process.pid].map((pid) =>
        Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')),
      )
      expect(scores).toEqual(scores.map(() => scores[2]))
      expect(scores[2]).toBeLessThan(1000)
      tree.kill()
      await tree.emptied
    })

    test.each(['terminate', 'kill'] as const)(
      'case 19b: is continued where its tool has stopped it: %s',
      async (how) => {
        const { tree, out } = await here().launch('bash', [
          '-c',
          'kill -STOP $PPID; echo stopped; exec sleep 1000',
        ])
        await out.after('stopped')
        if (how === 'kill') tree.kill()
        else await tree.terminate(60_000)
        await tree.emptied
        expect(await tree.report()).toMatchObject({ proof: 'empty', killed: how === 'kill' ? 1 : 0 })
      },
    )

    test('case 19b: ends a tree under env -i setsid, which has neither cookie nor group in common with it', async () => {
      const script = 'echo escaped $$; exec sleep 1000'
      const { tree, out } = await here().launch('env', ['-i', 'setsid', '--fork', 'sh', '-c', script])
      const escaped = living(Number(await out.after('escaped')))
      await tree.exited
      expect(isAlive(escaped.pid, escaped.startTime)).toBe(true)
      tree.kill()
      await tree.emptied
      expect(isAlive(escaped.pid, escaped.startTime)).toBe(false)
      expect(await tree.report()).toMatchObject({ proof: 'empty', killed: 1 })
    })
  })
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === parent)
}

function zombiesOf(parent: number): number[] {
  return childrenOf(parent).filter((pid) => stateOf(pid) === 'Z')
}

function stateOf(pid: number): string {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}
