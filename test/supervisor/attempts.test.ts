import { once } from 'node:events'
import {
  type AttemptEntry,
  type AttemptOptions,
  isCoppiceError,
  openSupervisor,
  type Run,
  type Supervisor,
} from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, errorOf } from '../support/model.ts'
import { type ModelServer, startModelServer } from '../support/model-server.ts'
import { test } from '../support/scene.ts'

const quick = { backoff: { initial: 1, longest: 5 } } as const

/** Calls the model by this path, and where it is asked for, for so many attempts before it answers. */
const call = (
  server: ModelServer,
  path: string,
  options?: AttemptOptions,
  failures = Number.POSITIVE_INFINITY,
) => {
  return (run: Run) =>
    run.attempt(
      ({ number, signal }) => ask(`${server.url}${number > failures ? '/200' : path}`, signal),
      options,
    )
}

async function entriesOf(supervisor: Supervisor, session: string): Promise<AttemptEntry[]> {
  const transcript = await supervisor.transcript(session)
  return transcript.flatMap((item) => (item.kind === 'entry' ? [item.entry as AttemptEntry] : []))
}

describe('case 21: a model call that fails, within run.attempt', () => {
  test.for([
    ['/429', { message: 'the model answered 429', status: 429 }],
    ['/429?retry-after=0', { status: 429 }],
    ['/500', { status: 500 }],
    ['/529', { status: 529 }],
    ['/reset', { message: 'fetch failed', status: 'ECONNRESET' }],
    // Node 22 calls it UND_ERR_SOCKET.
    ['/cut', { message: 'terminated', status: expect.stringMatching(/^ECONNRESET$|^UND_ERR_SOCKET$/) }],
    ['/never', { name: 'TimeoutError', status: 'attempt_timed_out' }],
    ['/trickle', { name: 'TimeoutError', status: 'attempt_timed_out' }],
  ] as const)(
    '%s twice, then an answer: the run succeeds, and both failures are in the transcript',
    async ([path, error], { scene }) => {
      await using server = await startModelServer()
      const supervisor = await openSupervisor({ state: scene.state })
      // What is to answer has the time for it; what does not is given up soon, and its third try is an answer as well.
      const timeout = path === '/never' || path === '/trickle' ? '2s' : '20s'
      const options = { ...quick, timeout } as const
      const reply = await supervisor.run({ session: 'a' }, call(server, path, options, 2))
      expect(JSON.parse(reply)).toEqual({ text: 'the answer' })
      const failed = { coppice: 'attempt_failed', call: 1, error, pauseMs: expect.any(Number), gaveUp: null }
      expect(await supervisor.transcript('a')).toMatchObject([
        { kind: 'entry', entry: { ...failed, number: 1 } },
        { kind: 'entry', entry: { ...failed, number: 2 } },
        { kind: 'ending', outcome: { state: 'succeeded' } },
      ])
      expect(server.requests).toHaveLength(3)
      await eventually(() => server.open === 0)
      await supervisor.close()
    },
  )

  test.for([
    ['/429', 429],
    ['/500', 500],
    ['/529', 529],
    ['/reset', 'ECONNRESET'],
    ['/never', 'attempt_timed_out'],
    ['/trickle', 'attempt_timed_out'],
  ] as const)(
    '%s without end: the last error itself, and the next run has the session and its history',
    async ([path, status], { scene }) => {
      await using server = await startModelServer()
      const supervisor = await openSupervisor({ state: scene.state })
      const errors: unknown[] = []
      const failing = supervisor.start({ session: 'a' }, async (run) => {
        await run.append({ role: 'user', text: 'one' })
        const asking = async (signal: AbortSignal) => {
          try {
            return await ask(`${server.url}${path}`, signal)
          } catch (error) {
            errors.push(error)
            throw error
          }
        }
        const timeout = status === 'attempt_timed_out' ? '200ms' : '20s'
        const options = { ...quick, attempts: 3, timeout } as const
        return run.attempt(({ signal }) => asking(signal), options)
      })
      const error = await errorOf(failing.result)
      if (status === 'attempt_timed_out') expect(isCoppiceError(error, status)).toBe(true)
      else expect(error).toBe(errors[2])
      expect(await failing.outcome).toMatchObject({ state: 'failed', cause: 'threw', callback: 'settled' })
      const history = await supervisor.run({ session: 'a' }, () => supervisor.transcript('a'))
      expect(history.map((item) => (item.kind === 'entry' ? item.entry : item.error))).toMatchObject([
        { text: 'one' },
        { number: 1, gaveUp: null },
        { number: 2, gaveUp: null },
        { number: 3, pauseMs: null, gaveUp: 'attempts', error: { status } },
        { status },
      ])
      await supervisor.close()
    },
  )

  test('P7: an outage is a gap of its own length, and no more: the model is down for 3 s of a short clock', async ({
    scene,
  }) => {
    await using overloaded = await startModelServer()
    await using broken = await startModelServer()
    await using gone = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    overloaded.fail('/529')
    broken.fail('/reset')
    await gone.stop()
    const begun = performance.now()
    setTimeout(() => {
      overloaded.heal()
      broken.heal()
      void gone.restart()
    }, 3_000)
    // The defaults on a clock ten times as fast: 10 attempts, pauses from 1 s to 10 s, an outage of 30 s.
    const options = { backoff: { initial: '100ms', longest: '1s' }, timeout: '12s' } as const
    const runs = [overloaded, broken, gone].map((server, at) =>
      supervisor.run({ session: `s${at}` }, call(server, '/200', options)),
    )
    await Promise.all(runs)
    for (const { number, pauseMs } of await entriesOf(supervisor, 's0')) {
      const pause = Math.min(100 * 2 ** (number - 1), 1_000)
      expect(pauseMs).toBeGreaterThanOrEqual(pause / 2 - 1)
      expect(pauseMs).toBeLessThanOrEqual(pause)
    }
    // The longest pause may begin just before the end of the outage; the rest is the machine's.
    expect(performance.now() - begun).toBeGreaterThanOrEqual(3_000)
    expect(performance.now() - begun).toBeLessThan(3_000 + 1_000 + 7_000)
    await supervisor.close()
  })
})

describe('case 21: Retry-After', () => {
  test.for([
    ['seconds', '/429?retry-after=1', 1_000],
    ['milliseconds', '/503?retry-after-ms=300&retry-after=60', 300],
    ['a date', '/429?retry-after=DATE', null],
  ] as const)('in %s is the least pause', async ([, path, pause], { scene }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    // It counts whole seconds: this one is one to two seconds away.
    const inTwoSeconds = new Date(Date.now() + 2_000).toUTCString()
    await supervisor.run({ session: 'a' }, call(server, path.replace('DATE', inTwoSeconds), quick, 1))
    const [first = 0, second = 0] = server.requests
    // The two clocks are set apart by some milliseconds as the machine's is corrected.
    const least = pause ?? Date.parse(inTwoSeconds) - (performance.timeOrigin + first) - 50
    // Node's timers count whole milliseconds, and may fire within the last of them.
    expect(second - first).toBeGreaterThanOrEqual(least - 1)
    expect(second - first).toBeLessThan(least + 20_000)
    await supervisor.close()
  })

  test('that is longer than what is left of the run is not waited for: the error as it is, at once', async ({
    scene,
  }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    const handle = supervisor.start({ session: 'a', timeout: '20s' }, call(server, '/429?retry-after=30'))
    expect(await errorOf(handle.result)).toMatchObject({ status: 429 })
    expect(await handle.outcome).toMatchObject({ state: 'failed', cause: 'threw' })
    expect((await handle.outcome).durationMs).toBeLessThan(5_000)
    expect(await supervisor.transcript('a')).toMatchObject([
      { entry: { number: 1, pauseMs: null, gaveUp: 'run_time' } },
      { kind: 'ending' },
    ])
    await supervisor.close()
  })
})

describe('P4, P6: no attempt outlives its run', () => {
  test('one under way is aborted with the run’s reason and rejects at once, also where it ignores its signal', async ({
    scene,
  }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    const told: unknown[] = []
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      const heeding = run.attempt(({ signal }) => ask(`${server.url}/never`, signal))
      const ignoring = run.attempt(() => new Promise(() => {}))
      const [first, second] = await Promise.all([errorOf(heeding), errorOf(ignoring)])
      told.push(first === run.signal.reason, second === run.signal.reason)
      // What is cut off by the run's end is no failure of the model's: an entry of it would come before this one's.
      await run.append('last words')
    })
    await eventually(() => server.open === 1)
    const outcome = await handle.cancel('enough')
    expect(outcome).toMatchObject({ state: 'cancelled', callback: 'settled' })
    expect(told).toEqual([true, true])
    await eventually(() => server.open === 0)
    expect(await supervisor.transcript('a')).toMatchObject([{ entry: 'last words' }, { kind: 'ending' }])
    await supervisor.close()
  })

  test('a run that ends in a pause makes no further attempt, and its caller does not wait for the pause', async ({
    scene,
  }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    let held: Run | undefined
    const handle = supervisor.start({ session: 'a' }, (run) => {
      held = run
      // Without the signal: with it, fetch itself would not even begin.
      return run.attempt(() => ask(`${server.url}/503?retry-after-ms=3000`), quick)
    })
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    await handle.cancel('enough')
    expect(await errorOf(handle.result)).toMatchObject({ code: 'run_cancelled' })
    expect(await errorOf((held as Run).attempt(() => 'late'))).toMatchObject({ code: 'run_ended' })
    // Another pause of the same length, begun later: an attempt of the first run's would come before its end.
    await supervisor.run({ session: 'b' }, call(server, '/503?retry-after-ms=3000', quick, 1))
    expect(server.requests).toHaveLength(3)
    expect(await supervisor.transcript('a')).toMatchObject([{ entry: { number: 1 } }, { kind: 'ending' }])
    await supervisor.close()
  })

  test('P8: one that nobody awaits when its run ends brings nobody down, and one of an ended run is refused', async ({
    scene,
  }) => {
    const unhandled: unknown[] = []
    const listen = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', listen)
    const supervisor = await openSupervisor({ state: scene.state })
    let ended: Run | undefined
    await supervisor.run({ session: 'a' }, (run) => {
      ended = run
      void run.attempt(() => new Promise(() => {}))
    })
    expect(await errorOf((ended as Run).attempt(() => 'late'))).toMatchObject({ code: 'run_ended' })
    await supervisor.close()
    process.off('unhandledRejection', listen)
    expect(unhandled).toEqual([])
  })

  test('what an attempt brings after its time is dropped, be it a value or an error', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const late: PromiseWithResolvers<string>[] = []
    const signals: AbortSignal[] = []
    const value = await supervisor.run({ session: 'a' }, (run) =>
      run.attempt(
        ({ number, signal }) => {
          signals.push(signal)
          if (number === 3) {
            late[0]?.resolve('late')
            late[1]?.reject(new Error('late'))
            return 'in time'
          }
          late.push(Promise.withResolvers())
          return (late.at(-1) as PromiseWithResolvers<string>).promise
        },
        { ...quick, timeout: '50ms' },
      ),
    )
    expect(value).toBe('in time')
    expect(signals.map(({ reason }) => reason)).toMatchObject([
      { code: 'attempt_timed_out', message: 'attempt 1 of 10 took longer than 50ms' },
      { code: 'attempt_timed_out', message: 'attempt 2 of 10 took longer than 50ms' },
      // Whoever still reads a body with it when the run ends reads no further.
      { code: 'run_ended' },
    ])
    await supervisor.close()
  })

  test('a process whose run ended in a long pause exits without waiting for it', async ({ scene }) => {
    const host = scene.host('host-that-pauses.mjs', [scene.state])
    const begun = performance.now()
    expect(await host.exited).toMatchObject({ code: 0, stdout: 'run_cancelled\n', stderr: '' })
    expect(performance.now() - begun).toBeLessThan(30_000)
  })
})

describe('case 21: how often', () => {
  test('a first attempt that succeeds leaves no entry', async ({ scene }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'a' }, call(server, '/200'))
    expect(await supervisor.transcript('a')).toMatchObject([{ kind: 'ending' }])
    await supervisor.close()
  })

  test('P7: a run tries again no more often, over all its calls, than it may: then errors go through', async ({
    scene,
  }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state, retries: 1 })
    const twice = async (run: Run) => {
      const errors = [
        await errorOf(call(server, '/529', quick, 2)(run).then(() => Promise.reject('answered'))),
      ]
      errors.push(await errorOf(call(server, '/529', quick)(run)))
      return errors
    }
    const short = ({ call, number, gaveUp }: AttemptEntry) => ({ call, number, gaveUp })
    const asked = await supervisor.run({ session: 'a', retries: 3 }, twice)
    expect(asked).toMatchObject(['answered', { status: 529 }])
    expect((await entriesOf(supervisor, 'a')).map(short)).toEqual([
      { call: 1, number: 1, gaveUp: null },
      { call: 1, number: 2, gaveUp: null },
      { call: 2, number: 1, gaveUp: null },
      { call: 2, number: 2, gaveUp: 'retries' },
    ])
    const byDefault = await supervisor.run({ session: 'b' }, twice)
    expect(byDefault).toMatchObject([{ status: 529 }, { status: 529 }])
    expect((await entriesOf(supervisor, 'b')).map(short)).toEqual([
      { call: 1, number: 1, gaveUp: null },
      { call: 1, number: 2, gaveUp: 'retries' },
      { call: 2, number: 1, gaveUp: 'retries' },
    ])
    await supervisor.close()
  })

  test('retryIf decides, also later: what it refuses goes through at once', async ({ scene }) => {
    await using server = await startModelServer()
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    expect(await errorOf(call(server, '/400', quick)(run))).toMatchObject({ status: 400 })
    expect(server.requests).toHaveLength(1)
    const asked: number[] = []
    const retryIf = async (_error: unknown, number: number) => asked.push(number) < 3
    expect(await errorOf(call(server, '/400', { ...quick, retryIf })(run))).toMatchObject({ status: 400 })
    expect(asked).toEqual([1, 2, 3])
    await run.end()
    expect(await supervisor.transcript('a')).toMatchObject([
      { entry: { call: 1, number: 1, gaveUp: 'retry_if' } },
      { entry: { call: 2, number: 1, gaveUp: null } },
      { entry: { call: 2, number: 2, gaveUp: null } },
      { entry: { call: 2, number: 3, gaveUp: 'retry_if' } },
      { kind: 'ending' },
    ])
    await supervisor.close()
  })

  test.for([
    [{ attempts: 0 }, 'attempts: 0 is no whole number of 1 or more, nor Infinity'],
    [{ attempts: '3' }, 'attempts: 3 is no whole number of 1 or more, nor Infinity'],
    [{ timeout: 'soon' }, 'timeout: "soon" is no duration (write 500ms, 5s, 2m or 1h)'],
    [{ backoff: { initial: -1 } }, 'backoff.initial: -1 is no duration (write 500ms, 5s, 2m or 1h)'],
    [{ backoff: { factor: 2 } }, 'attempt.backoff: there is no option factor (there are initial, longest)'],
    [{ retryIf: true }, 'retryIf: true is no function of the error'],
    [{ retries: 3 }, 'attempt: there is no option retries (there are attempts, timeout, backoff, retryIf)'],
  ] as const)('%j is refused before the first attempt', async ([options, message], { scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    let called = false
    const error = await errorOf(run.attempt(() => (called = true), options as AttemptOptions))
    expect(error).toMatchObject({ code: 'invalid_option', message })
    expect(called).toBe(false)
    await run.end()
    await supervisor.close()
  })

  test('a page of HTML in an error’s message is not kept whole for each attempt', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const page = Object.assign(new Error(`502 ${'<p>'.repeat(100_000)}`), { status: 502 })
    const options = { ...quick, attempts: 2 } as const
    const handle = supervisor.start({ session: 'a' }, (run) =>
      run.attempt(() => Promise.reject(page), options),
    )
    expect(await errorOf(handle.result)).toBe(page)
    for (const { error } of await entriesOf(supervisor, 'a')) {
      expect(error).toMatchObject({ status: 502, message: expect.stringMatching(/^502 <p>.*…$/) })
      expect(error.message.length).toBeLessThan(2_010)
    }
    await supervisor.close()
  })

  test('what is no function is refused', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'a' })
    const error = await errorOf(run.attempt(Promise.resolve('an attempt that is made already') as never))
    expect(error).toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(/^fn: .*no function/),
    })
    await run.end()
    expect(await supervisor.transcript('a')).toMatchObject([{ kind: 'ending' }])
    await supervisor.close()
  })

  test('retries of a run and of a supervisor that are no number are refused', async ({ scene }) => {
    const wrong = {
      code: 'invalid_option',
      message: 'retries: -1 is no whole number of 0 or more, nor Infinity',
    }
    expect(await errorOf(openSupervisor({ state: scene.state, retries: -1 }))).toMatchObject(wrong)
    const supervisor = await openSupervisor({ state: scene.state })
    expect(() => supervisor.start({ retries: -1 }, () => 1)).toThrowError(expect.objectContaining(wrong))
    await supervisor.close()
  })

  test('time without end is as good as any: an attempt without a timeout waits for its answer', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const controller = new AbortController()
    const answering = supervisor.run({ session: 'a' }, (run) =>
      run.attempt(async () => (await once(controller.signal, 'abort')) && 'answered', {
        timeout: 'Infinity' as never,
      }),
    )
    // The timer of an infinite delay would fire after a millisecond: by the end of another run it would have.
    await supervisor.run({ session: 'b' }, (run) => run.append('b'))
    controller.abort()
    expect(await answering).toBe('answered')
    expect(await supervisor.transcript('a')).toMatchObject([{ kind: 'ending' }])
    await supervisor.close()
  })
})
