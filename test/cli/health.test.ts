import { type HealthReport, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isStopped } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { hangingState } from '../support/hanging-state.ts'
import { type Scene, type StartOptions, test } from '../support/scene.ts'

async function health(
  scene: Scene,
  options?: StartOptions,
): Promise<{ code: number | null; report: HealthReport }> {
  const { code, stdout, stderr } = await scene.coppice(['health', '--json'], options).exited
  expect(stderr).toBe('')
  return { code, report: JSON.parse(stdout) }
}

/** Also by a machine that is busy with other tests: how late loops and commits are is no matter of these. */
const whatIs = ({ reasons }: HealthReport) =>
  reasons.map(({ what }) => what).filter((what) => !/_slow$|_busy$/.test(what))

describe('P10: coppice health', () => {
  test('says that all is well where nobody is, and creates no state', async ({ scene }) => {
    const { code, report } = await health(scene)
    expect(code).toBe(0)
    expect(report).toMatchObject({
      verdict: 'ok',
      reasons: [],
      state: { path: scene.state, answeredMs: null, error: null },
      runs: null,
      supervisors: [],
      checks: {},
    })
    expect((await scene.coppice(['health']).exited).stdout).toBe(`ok  no state at ${scene.state}\n`)
  })

  test('tells of a supervisor that is well what it is measured by', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a', timeout: '10m' })
    const waiting = supervisor.start({ session: 'a' }, () => 1)
    await eventually(async () => (await supervisor.health()).runs?.waiting === 1)
    const tool = run.exec('sleep', ['600'])
    await tool.pid
    // The host's first word of its own loop comes with the keeper's second question.
    await eventually(async () => (await supervisor.health()).supervisors[0]?.health?.hostLoop != null)
    // On a machine that is busy with other tests it may take more than one look.
    const report = await eventually(
      async () => {
        const seen = await health(scene)
        expect(whatIs(seen.report)).toEqual([])
        return seen.report
      },
      { within: 20_000 },
    )
    const number = expect.any(Number)
    expect(report).toMatchObject({
      state: { path: scene.state, answeredMs: number, error: null },
      runs: { running: 1, waiting: 1, stopping: 0 },
      leftBehind: 0,
      // 10 m, and 17 s to end it in.
      oldestLock: { run: run.id, session: 'a', heldMs: number, boundMs: 617_000 },
      longestWait: { run: waiting.id, session: 'a', waitedMs: number },
      openBreakers: [],
      unacknowledgedEndings: 0,
      supervisors: [
        {
          pid: process.pid,
          alive: 'alive',
          stopped: false,
          heartbeatMs: number,
          blockedSince: null,
          health: {
            hostBlockedMs: 0,
            hostLoop: { p50Ms: number, p99Ms: number, maxMs: number, utilization: number, windowMs: number },
            commits: { count: number, p50: number, p99: number, max: number, pendingMs: 0 },
            running: 1,
            waiting: 1,
            stopping: 0,
            trees: 1,
            leftBehind: 0,
            locksOverdue: 0,
            storeTrouble: null,
            memory: { residentBytes: number, bytesPerMinute: null },
          },
        },
      ],
    })
    const [told] = report.supervisors
    expect(told?.health?.memory.residentBytes).toBeGreaterThan(10 * 1024 ** 2)
    const { stdout } = await scene.coppice(['health']).exited
    expect(stdout).toMatch(
      /the longest hold is a’s by r\w+, for \d+\w+ of at most 10m; the longest wait is for a, /,
    )
    expect(stdout).toMatch(
      /\nSUPERVISOR +VERDICT.*\n\d+@\S+ +\w+ +.*1 running, 0 stopping, 1 waiting +1 +0 +\d+MB\n/,
    )
    expect(stdout, 'no colour where there is no terminal').not.toContain('\u001b')
    await tool.cancel({ grace: 0 })
    await run.end()
    await waiting.outcome
    await supervisor.close()
  })

  test('case 40: answers while the host’s event loop is blocked, and says so', async ({ scene }) => {
    const host = scene.host('host-blocks-after-a-label.mjs', ['600'])
    const run = await host.lines.after('blocking ')
    const early = await eventually(async () => {
      const seen = await health(scene)
      return whatIs(seen.report).includes('host_blocked') ? seen : null
    })
    const blocked = ({ reasons }: HealthReport) => reasons.find(({ what }) => what === 'host_blocked')
    // Where the look itself has taken so long, it is late already.
    if (early !== null && (blocked(early.report)?.measured ?? 0) < 5_000)
      expect(early).toMatchObject({ code: 1, report: { verdict: 'degraded' } })
    const late = await eventually(
      async () => {
        const seen = await health(scene)
        return seen.code === 3 ? seen : null
      },
      { within: 60_000 },
    )
    expect(host.lines.all).not.toContain('free')
    expect(late?.report).toMatchObject({
      verdict: 'unresponsive',
      oldestLock: { run },
      supervisors: [{ pid: host.pid, verdict: 'unresponsive', health: { running: 1, trees: 1 } }],
    })
    expect(late && blocked(late.report)?.measured).toBeGreaterThanOrEqual(5_000)
    expect(late && blocked(late.report)).toMatchObject({
      verdict: 'unresponsive',
      supervisor: late?.report.supervisors[0]?.supervisor,
      threshold: 5_000,
      message: expect.stringMatching(
        new RegExp(
          `^supervisor pid ${host.pid} on \\S+: the event loop of its host has been blocked for \\d+s$`,
        ),
      ),
    })
    // It ends with its loop blocked as it is.
    await scene.coppice(['cancel', run, '--grace', '0']).exited
  })

  test('tells one that is stopped, and one that is dead; looking recovers nothing', async ({ scene }) => {
    const host = scene.host('host-to-be-frozen.mjs', ['10m', '10m', bestHere.containment])
    await host.lines.after('ready ')
    host.child.kill('SIGSTOP')
    await eventually(() => isStopped(host.pid))
    const stopped = await health(scene)
    expect(stopped).toMatchObject({
      code: 3,
      report: { supervisors: [{ verdict: 'unresponsive', alive: 'alive', stopped: true, health: null }] },
    })
    expect(whatIs(stopped.report)).toEqual(['supervisor_stopped'])
    host.child.kill('SIGKILL')
    await host.died
    await eventually(() => scene.living().length === 0)
    for (const _ of [1, 2]) {
      const dead = await health(scene)
      expect(dead).toMatchObject({
        code: 1,
        report: { runs: { running: 1 }, supervisors: [{ verdict: 'degraded', alive: 'dead' }] },
      })
      expect(whatIs(dead.report)).toEqual(['supervisor_dead'])
    }
  })

  test('answers in its time, with exit code 3, where the disk of the state hangs', async ({
    scene,
    skip,
  }) => {
    const hanging = hangingState(scene)
    if (hanging === null) return skip('there is no C compiler to make a state hang with')
    const { code, report } = await health(scene, hanging)
    expect({ code, what: whatIs(report) }).toEqual({ code: 3, what: ['store_silent'] })
    expect(report.state).toMatchObject({ path: hanging.state, answeredMs: null })
    expect((await scene.coppice(['health'], hanging).exited).stdout).toMatch(
      /^unresponsive\n +the store .*hangs\.db does not answer: its disk hangs\n/,
    )
  })

  test('a state that is none of coppice’s is one line and exit code 125', async ({ scene }) => {
    const { code, stdout, stderr } = await scene.coppice(['health', '--state', scene.command]).exited
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
    expect(stderr).toMatch(/^coppice: the state file .+ is not a database: .*\n$/)
  })
})

test('P4, P7: a host whose loop is blocked for its loopTimeout is ended, where it asked for that, its runs first', async ({
  scene,
}) => {
  const host = scene.host('host-blocked-for-good.mjs')
  const run = await host.lines.after('run ')
  expect(await host.exited).toMatchObject({ code: null, signal: 'SIGKILL' })
  const supervisor = await openSupervisor({ state: scene.state })
  expect(await supervisor.show(run)).toMatchObject({
    outcome: { state: 'cancelled', cause: 'shutdown', tree: { survivors: [] } },
  })
  await supervisor.close()
})
