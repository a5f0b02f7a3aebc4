import { setImmediate as turn } from 'node:timers/promises'
import { isCoppiceError, openSupervisor, type Run } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ask, errorOf } from '../support/model.ts'
import { startModelServer } from '../support/model-server.ts'
import { test } from '../support/scene.ts'

describe('P2, P4, P5: however a callback ends or does not, its session is free within the bound', () => {
  test('a callback that returns: its value, a free session, its entries and ending in the transcript', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const value = await supervisor.run(
      { session: 'a', request: { id: 'm1', payload: { text: 'hi' } } },
      async (run) => {
        await run.append({ role: 'user', text: 'hi' })
        await run.check()
        return 42
      },
    )
    expect(value).toBe(42)
    expect(await supervisor.sessions()).toMatchObject([
      { session: 'a', state: 'free', holder: null, waiting: 0 },
    ])
    const transcript = await supervisor.transcript('a')
    expect(transcript).toMatchObject([
      { kind: 'entry', entry: { role: 'user', text: 'hi' } },
      {
        kind: 'ending',
        outcome: { state: 'succeeded', cause: 'returned', callback: 'settled', request: 'm1' },
      },
    ])
    await supervisor.close()
  })

  test.for([
    ['529', { name: 'Error', message: 'the model answered 529', status: 529 }],
    ['429', { name: 'Error', message: 'the model answered 429', status: 429 }],
    ['500', { name: 'Error', message: 'the model answered 500', status: 500 }],
    ['reset', { name: 'TypeError', message: 'fetch failed', status: 'ECONNRESET' }],
    // What it is called differs between the versions of Node: ECONNRESET, UND_ERR_SOCKET.
    [
      'cut',
      {
        name: 'TypeError',
        message: 'terminated',
        status: expect.stringMatching(/^ECONNRESET$|^UND_ERR_SOCKET$/),
      },
    ],
  ] as const)(
    'case 21: %s of the model: error and draft are in the transcript, and the next run reads its history',
    async ([answer, error], { scene }) => {
      await using server = await startModelServer()
      const supervisor = await openSupervisor({ state: scene.state })
      const failing = supervisor.start({ session: 'a' }, async (run) => {
        await run.append({ role: 'user', text: 'one' })
        await run.draft({ role: 'assistant', text: 'half an ans' })
        return ask(`${server.url}/${answer}`)
      })
      expect(await errorOf(failing.result)).toMatchObject({ message: error.message })
      expect(await failing.outcome).toMatchObject({ state: 'failed', cause: 'threw', callback: 'settled' })
      expect(failing.state).toBe('failed')

      const history = await supervisor.run({ session: 'a' }, async (run) => {
        await run.append({ role: 'user', text: 'two' })
        return supervisor.transcript('a')
      })
      expect(history).toMatchObject([
        { kind: 'entry', entry: { text: 'one' } },
        {
          kind: 'ending',
          draft: { role: 'assistant', text: 'half an ans' },
          error,
        },
        { kind: 'entry', entry: { text: 'two' } },
      ])
      await supervisor.close()
    },
  )

  test.for(['never', 'trickle'])(
    'case 21: a request that hangs (%s) and ignores its signal: left behind, and nothing late is written',
    async (answer, { scene }) => {
      await using server = await startModelServer()
      const supervisor = await openSupervisor({ state: scene.state, grace: '300ms' })
      let held: Run | undefined
      const hanging = supervisor.start({ session: 'a', timeout: '2s' }, async (run) => {
        held = run
        await run.append({ role: 'user', text: 'one' })
        await run.draft({ text: 'so far' })
        return ask(`${server.url}/${answer}`)
      })
      const outcome = await hanging.outcome
      expect(outcome).toMatchObject({
        state: 'timed_out',
        cause: 'timed_out',
        callback: 'left_behind',
        trees: 0,
      })
      expect(outcome.durationMs).toBeLessThan(2000 + 300 + 20_000)
      expect(isCoppiceError(await errorOf(hanging.result), 'run_timed_out')).toBe(true)
      expect(hanging.signal.reason).toMatchObject({ code: 'run_timed_out', name: 'TimeoutError' })

      const late = held as Run
      expect(await errorOf(late.append({ late: true }))).toMatchObject({ code: 'run_ended' })
      expect(await errorOf(late.draft({ late: true }))).toMatchObject({ code: 'run_ended' })
      expect(await errorOf(late.exec('true'))).toMatchObject({ code: 'run_ended' })
      expect(await errorOf(late.check())).toMatchObject({ code: 'run_ended' })

      const history = await supervisor.run({ session: 'a' }, () => supervisor.transcript('a'))
      expect(history).toMatchObject([
        { entry: { text: 'one' } },
        { kind: 'ending', draft: { text: 'so far' } },
      ])
      await supervisor.close()
    },
  )

  test('a callback that writes its partial work down when its signal aborts is heard until the end', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
      await run.append({ partial: true })
      return 'too late to be a success'
    })
    await eventually(() => handle.state === 'running')
    const outcome = await handle.cancel('changed my mind')
    expect(outcome).toMatchObject({ state: 'cancelled', message: 'changed my mind', callback: 'settled' })
    expect(await errorOf(handle.result)).toMatchObject({ code: 'run_cancelled', name: 'AbortError' })
    expect(await supervisor.transcript('a')).toMatchObject([{ entry: { partial: true } }, { kind: 'ending' }])
    await supervisor.close()
  })

  test('a callback that returns with a tree still alive: the tree ends first, then the run succeeds', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const outcome = await supervisor.start({ session: 'a' }, async (run) => {
      for await (const _ of run.exec('sh', ['-c', 'echo ready; exec sleep 600'])) break
    }).outcome
    expect(outcome).toMatchObject({ state: 'succeeded', trees: 1, forced: false, tree: { survivors: [] } })
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('case 24: cancelled while waiting, while running, while stopping and after the end: one ending each', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '200ms' })
    const holder = supervisor.start({ session: 'a' }, () => new Promise(() => {}))
    await eventually(() => holder.state === 'running')
    const waiter = supervisor.start({ session: 'a' }, () => 'never called')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    expect(await waiter.cancel('not needed')).toMatchObject({
      state: 'cancelled',
      fence: null,
      message: 'not needed',
    })
    expect(await errorOf(waiter.result)).toMatchObject({ code: 'run_cancelled' })

    const [first, second] = await Promise.all([holder.cancel('first'), holder.cancel('second')])
    expect(first).toMatchObject({ state: 'cancelled', message: 'first', callback: 'left_behind' })
    expect(second).toEqual(first)
    expect(await holder.cancel('third')).toEqual(first)
    expect(await holder.outcome).toEqual(first)
    await supervisor.close()
  })

  test('case 6: a cancel with grace 0 kills at once, also when a patient one is under way', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '10m' })
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      const tool = run.exec('bash', ['-c', 'trap "" TERM; echo ready; while :; do sleep 600; done'])
      for await (const line of tool) await run.append(line)
    })
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    void handle.cancel('patient')
    const outcome = await handle.cancel({ grace: 0 })
    expect(outcome).toMatchObject({ state: 'cancelled', message: 'patient', forced: true })
    expect(outcome.durationMs).toBeLessThan(10_000)
    await supervisor.close()
  })

  test('case 25: cancel racing the natural end, a thousand times: one ending each, and it is one of the two truths', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const times = 1_000
    const outcomes = await Promise.all(
      Array.from({ length: times }, async (_, i) => {
        const racing = Promise.withResolvers<void>()
        const handle = supervisor.start({ session: `s${i % 250}` }, async (run) => {
          racing.resolve()
          if (i % 2 === 0) await run.append(i)
        })
        // Some before it is admitted, some as it begins, some while it ends.
        if (i % 3 > 0) await racing.promise
        if (i % 3 > 1) await turn()
        const cancelled = handle.cancel('race')
        const told = await handle.result.then(
          () => 'succeeded',
          (error) => (isCoppiceError(error, 'run_cancelled') ? 'cancelled' : String(error)),
        )
        const outcome = await handle.outcome
        expect(outcome.state).toBe(told)
        expect(await cancelled).toEqual(outcome)
        return outcome
      }),
    )
    const stored = await supervisor.runs({ limit: 2 * times })
    const byRun = (a: { run: string }, b: { run: string }) => (a.run < b.run ? -1 : 1)
    expect(stored.map(({ outcome }) => outcome as (typeof outcomes)[0]).sort(byRun)).toEqual(
      outcomes.sort(byRun),
    )
    expect(new Set(outcomes.map(({ state }) => state))).toEqual(new Set(['succeeded', 'cancelled']))
    await supervisor.close()
  })

  test('case 24: the caller’s signal cancels the run, and one that has aborted already lets nothing begin', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '100ms' })
    const controller = new AbortController()
    const handle = supervisor.start({ session: 'a', signal: controller.signal }, () => new Promise(() => {}))
    await eventually(() => handle.state === 'running')
    controller.abort(new Error('the user left'))
    expect(await handle.outcome).toMatchObject({ state: 'cancelled', message: 'the user left' })
    const late = supervisor.start({ session: 'a', signal: controller.signal }, () => 'ran')
    expect(await late.outcome).toMatchObject({ state: 'cancelled' })
    await supervisor.close()
  })

  test('a begun run: ended, failed, or left without end(), which is no success', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const good = await supervisor.begin({ session: 'a' })
    expect(await good.end()).toMatchObject({ state: 'succeeded' })
    const bad = await supervisor.begin({ session: 'a' })
    expect(await bad.end({ error: new Error('no') })).toMatchObject({ state: 'failed', message: 'no' })
    let left: Promise<unknown>
    {
      await using forgotten = await supervisor.begin({ session: 'a' })
      left = forgotten.outcome
    }
    expect(await left).toMatchObject({ state: 'cancelled' })
    await supervisor.close()
  })

  test('a busy session: refused at once with its holder, since when and the queue, or after the wait', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const holder = await supervisor.begin({ session: 'a' })
    const refusal = await errorOf(supervisor.run({ session: 'a', ifBusy: 'refuse' }, () => 1))
    expect(refusal).toMatchObject({ code: 'session_busy', holder: holder.id, queueLength: 0, session: 'a' })
    const impatient = supervisor.start({ session: 'a', wait: '50ms' }, () => 1)
    expect(await impatient.outcome).toMatchObject({ state: 'refused', cause: 'busy', fence: null })
    expect(await errorOf(impatient.result)).toMatchObject({ code: 'session_busy' })
    await holder.end()
    expect(await supervisor.run({ session: 'a', ifBusy: 'refuse' }, () => 1)).toBe(1)
    await supervisor.close()
  })

  test('close ends what runs and what waits, with cause shutdown, inside the time it is given', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '10m' })
    const stubborn = supervisor.start({ session: 'a' }, async (run) => {
      await run.exec('bash', ['-c', 'trap "" TERM; sleep 600 & wait; sleep 600'])
    })
    const waiting = supervisor.start({ session: 'a' }, () => 1)
    await eventually(() => scene.living().length >= 2)
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    const begun = performance.now()
    await supervisor.close({ within: '8s' })
    expect(performance.now() - begun).toBeLessThan(30_000)
    expect(await stubborn.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown', forced: true })
    expect(await waiting.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown', fence: null })
    expect(scene.living()).toEqual([])
    expect(() => supervisor.start({}, () => 1)).toThrowError(
      expect.objectContaining({ code: 'supervisor_closed' }),
    )
  })
})
