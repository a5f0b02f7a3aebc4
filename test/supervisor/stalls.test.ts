import { isCoppiceError, openSupervisor, type Run, type RunSpec } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

/** Milliseconds without progress; what makes progress does so far more often, and for longer than this. */
const stallTimeout = 3000
const often = '0.3'
const times = 16

const never = new Promise<never>(() => {})

function open({ state }: Scene) {
  return openSupervisor({ state, grace: '300ms', killBound: '2s', drainBound: '300ms' })
}

/** How a run with this callback ends, and how long it took. */
async function endOf(scene: Scene, fn: (run: Run) => unknown, spec: RunSpec = {}) {
  const supervisor = await open(scene)
  try {
    const run = supervisor.start({ session: 'a', stallTimeout, ...spec }, fn)
    const error = await run.result.catch((error: unknown) => error)
    return { outcome: await run.outcome, error }
  } finally {
    await supervisor.close()
  }
}

function ticks(run: Run, { session = often, count = times } = {}) {
  return run.exec('bash', ['-c', `for ((i = 0; i < ${count}; i++)); do echo tick; sleep ${session}; done`])
}

/** Calls `work` as often as a tool that ticks writes. */
async function ticking(run: Run, work: (tick: number) => unknown): Promise<void> {
  for (let tick = 0; tick < times; tick++) {
    await work(tick)
    await run.exec('sleep', [often])
  }
}

describe('P4: a run without progress ends as stalled, and says what it was at', () => {
  test('its callback', async ({ scene }) => {
    const { outcome, error } = await endOf(scene, () => never)
    expect(outcome).toMatchObject({ state: 'stalled', cause: 'stalled', callback: 'left_behind' })
    expect(outcome.message).toBe('no progress for 3s at its callback')
    expect(outcome.durationMs).toBeGreaterThanOrEqual(stallTimeout)
    expect(isCoppiceError(error, 'run_stalled') && error.name).toBe('TimeoutError')
  })

  test('a command, and the label of its last progress', async ({ scene }) => {
    const { outcome } = await endOf(scene, async (run) => {
      run.progress('reading the mail')
      await run.exec('sleep', ['600'])
    })
    expect(outcome).toMatchObject({ state: 'stalled', trees: 1, tree: { survivors: [] } })
    expect(outcome.message).toMatch(
      /^no progress for 3s at command sleep 600 \(.+\.1\), after progress “reading the mail”$/,
    )
  })

  test('a subagent, whose own stall is a later one', async ({ scene }) => {
    const { outcome } = await endOf(scene, (run) =>
      run.subagent({ session: 'b', stallTimeout: '1h' }, () => never),
    )
    expect(outcome.message).toMatch(/^no progress for 3s at subagent .+ of session b, at its callback$/)
  })
})

describe('what counts as progress', () => {
  test('the output of its commands', async ({ scene }) => {
    const { outcome } = await endOf(scene, (run) => ticks(run))
    expect(outcome).toMatchObject({ state: 'succeeded' })
    expect(outcome.durationMs).toBeGreaterThan(1.5 * stallTimeout)
  })

  test.for<[string, (run: Run, tick: number) => unknown]>([
    ['an entry', (run, tick) => run.append({ tick })],
    ['a draft', (run, tick) => run.draft({ tick })],
    ['progress()', (run) => run.progress()],
  ])('%s', async ([, work], { scene }) => {
    // The commands that keep the time belong to another run: their own ends are not this one's progress.
    const supervisor = await open(scene)
    const clock = await supervisor.begin({})
    const run = supervisor.start({ session: 'a', stallTimeout }, (run) =>
      ticking(clock, (tick) => work(run, tick)),
    )
    expect(await run.outcome).toMatchObject({ state: 'succeeded' })
    await clock.end()
    await supervisor.close()
  })

  test('a subagent’s', async ({ scene }) => {
    const { outcome } = await endOf(scene, (run) =>
      run.subagent({ session: 'b', stallTimeout: '1h' }, (sub) => ticks(sub)),
    )
    expect(outcome).toMatchObject({ state: 'succeeded' })
  })

  test('the pause between two attempts, however long, and the beginning of the next', async ({ scene }) => {
    const { outcome, error: value } = await endOf(scene, (run) =>
      run.attempt(
        ({ number }) => {
          if (number === 1) throw Object.assign(new Error('busy'), { status: 529 })
          return run.exec('sleep', ['2']).then(() => 'answered')
        },
        { backoff: { initial: '4.5s', longest: '4.5s' } },
      ),
    )
    expect({ value, state: outcome.state }).toEqual({ value: 'answered', state: 'succeeded' })
  })

  test('the turn in a queue that a subagent waits for', async ({ scene }) => {
    const supervisor = await open(scene)
    const holder = supervisor.start({ session: 'b' }, (run) => ticks(run))
    await eventually(() => holder.state === 'running')
    const run = supervisor.start({ session: 'a', stallTimeout }, (run) =>
      run.subagent({ session: 'b' }, () => 'in turn'),
    )
    expect(await run.result).toBe('in turn')
    await supervisor.close()
  })
})

describe('a command', () => {
  test('that writes nothing for its own stallTimeout is ended, and its run goes on', async ({ scene }) => {
    const { outcome, error: result } = await endOf(
      scene,
      (run) => run.exec('bash', ['-c', 'echo begun; sleep 600'], { stallTimeout: '3s' }),
      { stallTimeout: '1h' },
    )
    expect(outcome).toMatchObject({ state: 'succeeded' })
    expect(result).toMatchObject({ ended: 'stalled', stdout: 'begun\n', ok: false, tree: { survivors: [] } })
  })

  test('that waits for its place has all of its time from its launch on', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 } })
    const result = await supervisor.run({}, async (run) => {
      run.exec('sleep', ['4']).catch(() => {})
      return run.exec('sleep', ['2'], { stallTimeout: '3s' })
    })
    expect(result).toMatchObject({ ended: 'exited', ok: true })
    await supervisor.close()
  })

  test('that waits for its place is no stillness of its run', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { trees: 1 } })
    const other = supervisor.run({ session: 'b' }, (run) => run.exec('sleep', ['5']))
    await eventually(() => scene.living().length === 1)
    const result = await supervisor.run({ session: 'a', stallTimeout }, (run) => run.exec('true'))
    expect(result).toMatchObject({ ok: true })
    await other
    await supervisor.close()
  })

  test('that writes goes on', async ({ scene }) => {
    const { error: result } = await endOf(scene, (run) =>
      run.exec('bash', ['-c', 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done'], {
        stallTimeout: '3s',
      }),
    )
    expect(result).toMatchObject({ ended: 'exited', ok: true })
  })
})

describe('a run that waits for a person or an event', () => {
  test('does not stall, shows what it waits for while it does, and stalls after it as any other', async ({
    scene,
  }) => {
    const supervisor = await open(scene)
    const { promise, resolve } = Promise.withResolvers<string>()
    const run = supervisor.start({ session: 'a', stallTimeout }, async (run) => {
      await run.append(await run.waitFor('approval of the merge', promise, { timeout: '1h' }))
      await never
    })
    const waits = await eventually(async () => {
      const [wait] = (await supervisor.show(run.id))?.waitsFor ?? []
      return wait
    })
    expect(waits).toMatchObject({ what: 'approval of the merge' })
    expect(Date.parse(waits?.until ?? '') - Date.parse(waits?.since ?? '')).toBe(3_600_000)
    const clock = await supervisor.begin({})
    await ticks(clock)
    await clock.end()
    expect(run.state).toBe('running')
    resolve('yes')
    expect(await run.outcome).toMatchObject({ state: 'stalled' })
    expect(await supervisor.transcript('a')).toMatchObject([{ entry: 'yes' }, { kind: 'ending' }])
    expect((await supervisor.show(run.id))?.waitsFor).toEqual([])
    await supervisor.close()
  })

  test('shows it no longer when it goes on', async ({ scene }) => {
    const supervisor = await open(scene)
    const run = await supervisor.begin({ session: 'a' })
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = run.waitFor('nothing much', promise, { timeout: '1m' })
    const shown = async () => (await supervisor.show(run.id))?.waitsFor.length
    await eventually(async () => (await shown()) === 1)
    resolve()
    await waiting
    await eventually(async () => (await shown()) === 0)
    await run.end()
    await supervisor.close()
  })

  test('waits as long as it says, and goes on', async ({ scene }) => {
    const { outcome, error: code } = await endOf(scene, (run) =>
      run.waitFor('a word', never, { timeout: '200ms' }).catch((error) => error.code),
    )
    expect(code).toBe('wait_timed_out')
    expect(outcome.state).toBe('succeeded')
  })

  test('hears of the run’s end, and what it waited for may fail later unheard', async ({ scene }) => {
    const supervisor = await open(scene)
    const { promise, reject } = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const heard = Promise.withResolvers<unknown>()
    const run = supervisor.start({ session: 'a' }, async (run) => {
      const wait = run.waitFor('a word', promise, { timeout: Number.POSITIVE_INFINITY })
      begun.resolve()
      await wait.catch(heard.resolve)
    })
    await begun.promise
    await run.cancel('enough')
    expect(isCoppiceError(await heard.promise, 'run_cancelled')).toBe(true)
    reject(new Error('too late'))
    await supervisor.close()
  })

  test.for<[string, () => unknown[], RegExp]>([
    ['no timeout', () => ['x', never], /timeout: is missing/],
    ['no name', () => ['', never, { timeout: 1 }], /must be a text/],
    ['a bad duration', () => ['x', never, { timeout: 'soon' }], /timeout/],
  ])('refuses %s', async ([, args, message], { scene }) => {
    const { error } = await endOf(scene, (run) => (run.waitFor as (...args: unknown[]) => unknown)(...args()))
    expect(isCoppiceError(error, 'invalid_option') && error.message).toMatch(message)
  })
})

test('P4, P7: time in which the host’s loop is blocked is no stall of its other runs', async ({ scene }) => {
  const host = scene.host('host-that-stalls-and-blocks.mjs')
  const { stdout, code } = await host.exited
  // Blocked for twice the time that they may be still; after it one goes on, and the other never does.
  expect(stdout.trim().split('\n')).toEqual(['blocked', 'free', 'goes on succeeded', 'is still stalled'])
  expect(code).toBe(0)
})
