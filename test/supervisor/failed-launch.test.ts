import { describe, expect } from 'vitest'
import { isAlive, living } from '../support/alive.ts'
import { kindsHere } from '../support/containment.ts'
import { fixture, test } from '../support/scene.ts'

describe.for(kindsHere)('case 3: a launch that fails and is cancelled, by %s', (kind) => {
  test('signals nobody, the caller’s own group least of all', async ({ scene }) => {
    // The host leads a group in which another one sleeps.
    const script = 'sleep 600 & echo "neighbour $!"; exec "$@"'
    const argv = [
      'bash',
      '-c',
      script,
      'bash',
      process.execPath,
      fixture('host-cancels-a-failed-launch.mjs'),
      kind,
    ]
    const host = scene.bash('exec setsid --wait "$@"', argv)
    const neighbour = living(Number(await host.lines.after('neighbour ')))
    await host.lines.after('over')
    expect(isAlive(neighbour.pid, neighbour.startTime)).toBe(true)
    process.kill(neighbour.pid, 'SIGKILL')
    expect((await host.exited).code).toBe(0)
    const told = host.lines.all.slice(1)
    const failures = ['command_not_found', 'command_not_executable', 'launch_failed']
    // Killed at once or soon, its root may not have come to what would have failed; what was told first is told again.
    const allowed = failures.flatMap((code) => [[code, 'cancelled'], [code, 'cancelled'], [code]])
    for (const [at, codes] of allowed.entries()) {
      const code = codes.find((code) => told[2 * at] === `failed ${code} ${code}`)
      expect([told[2 * at], told[2 * at + 1]]).toEqual([`failed ${code} ${code}`, `again ${code}`])
    }
    expect(told.slice(2 * allowed.length)).toEqual(['run cancelled', 'over'])
  })
})
