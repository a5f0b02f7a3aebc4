import { openSupervisor, type Run, type Supervisor, type WhyView } from 'coppice'
import { describe, expect } from 'vitest'
import { isStopped } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { hangingState } from '../support/hanging-state.ts'
import { isRecorded } from '../support/recorded.ts'
import { type Scene, test } from '../support/scene.ts'

const never = () => new Promise<never>(() => {})

/** What the command prints for people, after it has said the same in JSON. */
async function why(scene: Scene, session: string, ...args: string[]): Promise<WhyView> {
  const { code, stdout, stderr } = await scene.coppice(['why', session, '--json', ...args]).exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** On a busy machine a host may be too late to say its part, and is called blocked or silent: it is asked again. */
function seen(scene: Scene, session: string, judge: (view: WhyView) => void): Promise<WhyView> {
  return eventually(async () => {
    const view = await why(scene, session)
    judge(view)
    return view
  })
}

async function open(scene: Scene, options = {}): Promise<{ supervisor: Supervisor } & AsyncDisposable> {
  const supervisor = await openSupervisor({
    state: scene.state,
    grace: '200ms',
    killBound: '2s',
    drainBound: '200ms',
    ...options,
  })
  return { supervisor, [Symbol.asyncDispose]: () => supervisor.close({ within: 0 }) }
}

/** Starts a run that goes on, and resolves when its callback is where it says. */
async function holding(
  supervisor: Supervisor,
  session: string,
  work: (run: Run, there: () => void) => unknown,
) {
  const there = Promise.withResolvers<void>()
  const handle = supervisor.start({ session }, (run) => work(run, there.resolve))
  await there.promise
  return handle
}

describe('P10: coppice why, of a session that is free', () => {
  test('no state at all: says so, and creates none', async ({ scene }) => {
    const view = await why(scene, 'demo')
    expect(view).toMatchObject({ session: 'demo', state: 'free', holder: null, command: null, waiting: [] })
    expect(view.sentence).toBe(
      `session demo is free: there is no state at ${scene.state}, so nothing has ever run in it`,
    )
    const { stdout } = await scene.coppice(['ps', '--json']).exited
    expect(stdout, 'still none').toBe('[]\n')
  })

  test('a session that is not known, and one whose last run has failed', async ({ scene }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    const failing = supervisor.start({ session: 'used' }, () => Promise.reject(new Error('no such model')))
    await failing.outcome
    expect((await why(scene, 'demo')).sentence).toBe(
      `session demo is free: no run has ever had it in ${scene.state} (coppice sessions lists those that are known)`,
    )
    const used = await why(scene, 'used')
    expect(used).toMatchObject({ state: 'free', last: { run: failing.id, state: 'failed' }, command: null })
    expect(used.sentence).toMatch(
      new RegExp(
        `^session used is free: its last run ${failing.id} ended as failed \\S+ ago: no such model$`,
      ),
    )
  })

  test('one whose breaker is open: since when, why, until when, and how to close it', async ({ scene }) => {
    await using opened = await open(scene, { breaker: { failures: 1, cooldown: '10m' } })
    const { supervisor } = opened
    await supervisor.start({ session: "it's", timeout: 1, grace: 0 }, never).outcome
    const view = await why(scene, "it's")
    expect(view).toMatchObject({ state: 'free', breaker: { state: 'open' } })
    expect(view.sentence).toMatch(
      /its breaker is open since \S+ \(1 failure, .*\), so new runs are refused, and the next trial is at \S+ \(in \d+m\); to close the breaker now: /,
    )
    expect(view.command).toBe(`coppice breaker 'it'\\''s' --close`)
    // The command as it was printed, in a shell.
    const typed = `coppice() { '${process.execPath}' '${scene.command}' "$@"; }; ${view.command}`
    expect(await scene.bash(typed).exited).toMatchObject({ code: 0, stderr: '' })
    expect((await why(scene, "it's")).breaker).toBeNull()
  })
})

describe('P10: coppice why, of a session that is held', () => {
  test('by a callback: by which run of which process, since when, until when, and that nobody waits', async ({
    scene,
  }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    const { id } = await holding(supervisor, 'a', (_, there) => {
      there()
      return never()
    })
    await seen(scene, 'a', (view) => {
      expect(view).toMatchObject({
        state: 'held',
        command: `coppice cancel ${id}`,
        holder: {
          run: id,
          state: 'running',
          doing: 'its callback',
          supervisor: { pid: process.pid, condition: 'well', hostBlockedMs: 0 },
          commands: [],
          stopping: null,
        },
      })
      const left = Date.parse(view.holder?.endsBy ?? '') - Date.now()
      expect(left).toBeGreaterThan(59 * 60_000)
      expect(left).toBeLessThan(60 * 60_000)
      expect(view.sentence).toMatch(
        new RegExp(
          `^session a is held by run ${id} of pid ${process.pid} on \\S+ since \\S+ \\(.*\\), at its callback.*, it times out at \\S+ \\(in \\d+m\\); nobody waits for it; to end it now: coppice cancel ${id}$`,
        ),
      )
    })
    const { stdout } = await scene.coppice(['why', 'a', '--state', scene.state]).exited
    expect(stdout.trim(), 'names the state as it was named').toMatch(
      new RegExp(`coppice cancel ${id} --state ${scene.state}$`),
    )
  })

  test('by a command, after progress that had a label, with others that wait', async ({ scene }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    const holder = await holding(supervisor, 'a', async (run, there) => {
      run.progress('reading 猫 mail')
      const tool = run.exec('sleep', ['600'])
      await tool.pid
      there()
      await tool
    })
    const waiters = [1, 2].map(() => supervisor.start({ session: 'a' }, () => 1))
    await eventually(async () => (await supervisor.why('a')).waiting.length === 2)
    // What is idle for less is not worth a word.
    await eventually(async () => ((await supervisor.why('a')).holder?.idleMs ?? 0) >= 1000)
    await seen(scene, 'a', (view) => {
      expect(view.holder).toMatchObject({
        label: 'reading 猫 mail',
        commands: [{ command: ['sleep', '600'], pid: expect.any(Number), runningMs: expect.any(Number) }],
      })
      expect(view.sentence).toMatch(
        /, at command sleep 600 \(\S+\), after progress “reading 猫 mail”, idle for \d+s, it times out at .*; 2 runs wait, the first /,
      )
      expect(view.queueLength).toBe(2)
      expect(view.waiting.map(({ run }) => run)).toEqual(waiters.map(({ id }) => id))
      expect(view.sentence).toContain(`the first ${waiters[0]?.id} since `)
    })
    await holder.cancel({ grace: 0 })
  })

  test('by a run that waits for its subagent, and by the subagent itself', async ({ scene }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    let child = ''
    await holding(supervisor, 'parent', (run, there) =>
      run.subagent({ session: 'child' }, async (sub) => {
        child = sub.id
        there()
        await never()
      }),
    )
    const view = await seen(scene, 'parent', (view) => {
      expect(view.holder?.subagents).toMatchObject([{ run: child, session: 'child', state: 'running' }])
      expect(view.sentence).toContain(`, at subagent ${child} of session child, at its callback`)
    })
    expect((await why(scene, 'child')).holder).toMatchObject({ run: child, parent: view.holder?.run })
  })

  test('by a run that waits for a person', async ({ scene }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    await holding(supervisor, 'a', async (run, there) => {
      const waiting = run.waitFor('the approval of ann@example.com', never(), { timeout: '5m' })
      await eventually(async () => (await supervisor.show(run.id))?.waitsFor.length === 1)
      there()
      await waiting
    })
    await seen(scene, 'a', (view) => {
      expect(view.holder?.waitsFor).toMatchObject([{ what: 'the approval of ann@example.com' }])
      expect(view.sentence).toMatch(
        /, which waits for the approval of ann@example\.com since \S+Z, it times out at /,
      )
    })
  })

  test('by a run in its grace: why it ends, how much is left, and how to end it without', async ({
    scene,
  }) => {
    await using opened = await open(scene)
    const { supervisor } = opened
    const handle = await holding(supervisor, 'a', async (run, there) => {
      for await (const _ of run.exec('bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done']))
        there()
    })
    const ended = handle.cancel({ reason: 'wrong branch', grace: '5m' })
    await eventually(async () => (await supervisor.why('a')).holder?.stopping !== null)
    const view = await seen(scene, 'a', (view) => {
      expect(view.holder).toMatchObject({
        state: 'stopping',
        stopping: { cause: 'cancelled', message: 'wrong branch' },
      })
      expect(view.sentence).toMatch(
        /, which is ending, with command bash .* \(pid \d+, .*\), because of cancelled: wrong branch: \dm of its grace are left, and the session is free at \S+ \(in \dm\) at the latest; /,
      )
    })
    expect(view.command).toBe(`coppice cancel ${handle.id} --grace 0`)
    const { code } = await scene.coppice(view.command?.split(' ').slice(1) ?? []).exited
    expect(code).toBe(0)
    expect(await ended).toMatchObject({ state: 'cancelled', forced: true })
  })
})

describe('P10: coppice why, where the gateway cannot say anything', () => {
  test('case 40: its event loop is blocked: for how long, with what, and that its deadline holds', async ({
    scene,
  }) => {
    const host = scene.host('host-blocks-after-a-label.mjs', ['600'])
    const run = await host.lines.after('blocking ')
    // The keeper knows of a blocked loop when its next question is not answered.
    await eventually(
      async () => (await why(scene, 'blocked')).holder?.supervisor.condition === 'host_blocked',
    )
    const view = await seen(scene, 'blocked', (view) => {
      expect(view.holder).toMatchObject({
        run,
        doing: null,
        label: 'parsing the archive',
        commands: [{ command: ['sleep', '600'] }],
        endsBy: expect.any(String),
      })
      expect(view.sentence).toMatch(
        /, whose event loop has been blocked for \d+\w+, with command sleep 600 \(pid \d+, \S+\), after progress “parsing the archive”, it times out at \S+ \(in \dm\), blocked or not; /,
      )
    })
    // What it says to do is done while the loop is blocked.
    expect(view.command).toBe(`coppice cancel ${run}`)
    expect(await scene.coppice(['cancel', run]).exited).toMatchObject({ code: 0 })
    expect((await why(scene, 'blocked')).state).toBe('free')
    expect(host.lines.all).not.toContain('free')
  })

  test.skipIf(bestHere.containment === 'group')(
    'it is frozen: what was running, when its lease ends, and how to go on or take it over',
    async ({ scene }) => {
      const host = scene.host('host-to-be-frozen.mjs', ['10m', '10m', bestHere.containment])
      await host.lines.after('ready ')
      await isRecorded(scene)
      host.child.kill('SIGSTOP')
      await eventually(() => isStopped(host.pid))
      const view = await why(scene, 'frozen')
      expect(view.holder?.supervisor).toMatchObject({ pid: host.pid, condition: 'stopped' })
      expect(view.sentence).toMatch(
        new RegExp(
          `whose process is stopped \\(SIGSTOP or Ctrl-Z\\), so that nothing of it moves, with command bash .*; its lease ends at \\S+ \\(in \\d+m\\).*; to let it go on: kill -CONT ${host.pid}; to end the run now: coppice cancel ${view.holder?.run} --force$`,
        ),
      )
      expect(await scene.coppice(view.command?.split(' ').slice(1) ?? []).exited).toMatchObject({ code: 0 })
      expect((await why(scene, 'frozen')).state).toBe('free')
    },
  )

  test('it is dead: that the next takes over at once, and how to free the session now', async ({ scene }) => {
    const host = scene.host('host-holds-a-session.mjs', ['held'])
    await host.lines.after('ready ')
    await isRecorded(scene)
    host.child.kill('SIGKILL')
    await host.died
    const view = await why(scene, 'held')
    expect(view.holder?.supervisor).toMatchObject({ pid: host.pid, condition: 'dead' })
    expect(view.sentence).toMatch(
      /whose process is dead, with command bash .*: the next run that asks for the session takes it over at once; /,
    )
    expect(await scene.coppice(view.command?.split(' ').slice(1) ?? []).exited).toMatchObject({ code: 0 })
    expect((await why(scene, 'held')).state).toBe('free')
  })

  test('the disk of the state hangs: that, within its time, with exit code 3', async ({ scene, skip }) => {
    const hanging = hangingState(scene)
    if (hanging === null) return skip('there is no C compiler to make a state hang with')
    const { code, stdout, stderr } = await scene.coppice(['why', 'a'], hanging).exited
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(
      /^coppice: the state .*hangs\.db does not answer, its disk hangs: coppice health tells more\n$/,
    )
  })
})
