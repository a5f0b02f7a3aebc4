import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { test } from '../support/scene.ts'

describe('coppice prune', () => {
  test('forgets runs that ended long enough ago with what belongs to them, no transcript and nothing younger', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    for (let count = 0; count < 3; count++)
      await supervisor.run({ request: { id: `r${count}` } }, (run) => run.exec('true'))
    await supervisor.run({ session: 'told' }, (run) => run.append({ role: 'user', text: 'stays' }))
    await supervisor.close()
    const all = async () => JSON.parse((await scene.coppice(['ps', '--all', '--json']).exited).stdout)
    const prune = async (...args: string[]) =>
      JSON.parse((await scene.coppice(['prune', '--json', ...args]).exited).stdout)

    expect(await prune('--keep', '1d')).toEqual({ runs: 0, requests: 0, trees: 0 })
    expect(await all()).toHaveLength(4)
    expect(await prune('--keep', '0')).toEqual({ runs: 3, requests: 3, trees: 3 })
    expect(await all()).toMatchObject([{ session: 'told' }])
    const transcript = await scene.coppice(['transcript', 'told', '--json']).exited
    expect(JSON.parse(transcript.stdout)).toMatchObject([
      { entry: { text: 'stays' } },
      { outcome: { state: 'succeeded' } },
    ])
    const { stdout } = await scene.coppice(['prune', '--keep', '0']).exited
    expect(stdout).toBe('forgot 0 runs, 0 requests and what was known of 0 commands\n')
  })

  test('says what is wrong with an option, and makes no state where there is none', async ({ scene }) => {
    for (const [args, line] of [
      [['--keep', 'soon'], /--keep.*soon/],
      [['--number', 'few'], /--number.*few/],
    ] as const) {
      const { code, stderr } = await scene.coppice(['prune', ...args]).exited
      expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, lines: 1 })
      expect(stderr).toMatch(line)
    }
    expect((await scene.coppice(['prune', '--json']).exited).stdout).toMatch(/"runs": ?0/)
    expect((await scene.coppice(['sessions', '--json']).exited).stdout.trim()).toBe('[]')
  })
})
