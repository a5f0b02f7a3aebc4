import { type Ending, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { test } from '../support/scene.ts'

const request = (id: string, payload?: unknown) => ({
  request: { id, ...(payload === undefined ? {} : { payload }) },
})

describe('P8: a request that is brought twice', () => {
  test('has the same handle while this supervisor runs it, and its value', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const gate = Promise.withResolvers<void>()
    let calls = 0
    const first = supervisor.start({ session: 'k', ...request('q', { text: 'hi' }) }, async (run) => {
      calls += 1
      await gate.promise
      return run.request
    })
    expect(await first.accepted).toEqual({ state: 'running', run: first.id })
    expect(supervisor.start({ session: 'k', ...request('q') }, () => 'again')).toBe(first)
    const again = supervisor.run({ session: 'k', ...request('q') }, () => 'again')
    gate.resolve()
    expect(await again).toEqual({ id: 'q', payload: { text: 'hi' }, tries: 1 })
    expect(calls).toBe(1)
    await supervisor.close()
  })

  test('has the outcome that it came to, and calls no callback', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'k', ...request('good') }, () => 'value')
    await expect(
      supervisor.run({ session: 'k', ...request('bad') }, () => {
        throw new Error('as told')
      }),
    ).rejects.toThrow('as told')
    const refuse = () => {
      throw new Error('was called')
    }
    const good = supervisor.start({ session: 'k', ...request('good') }, refuse)
    const bad = supervisor.start({ session: 'k', ...request('bad') }, refuse)
    const { run, state } = await good.outcome
    expect([state, await good.accepted]).toEqual(['succeeded', { state: 'duplicate', run }])
    expect(await good.result).toBeUndefined()
    await expect(bad.result).rejects.toMatchObject({
      code: 'run_ended',
      message: expect.stringContaining('as told'),
    })
    expect(await bad.outcome).toMatchObject({ state: 'failed', message: 'as told' })
    // In another session it is another request.
    expect(await supervisor.run({ session: 'l', ...request('good') }, () => 'other')).toBe('other')
    await supervisor.close()
  })

  test('follows the run of another process to its end, and can cancel it', async ({ scene }) => {
    const host = scene.host('host-with-requests.mjs', ['k', 'a', 'b'], { stdin: 'pipe' })
    await host.lines.after('begun a')
    const supervisor = await openSupervisor({ state: scene.state })
    const a = supervisor.start({ session: 'k', ...request('a') }, () => 'mine')
    expect((await a.accepted).state).toBe('duplicate')
    host.child.stdin?.write('a\n')
    expect(await a.result).toBeUndefined()
    await host.lines.after('begun b')
    const b = supervisor.start({ session: 'k', ...request('b') }, () => 'mine')
    await b.accepted
    expect(await b.cancel('not needed')).toMatchObject({ state: 'cancelled', message: 'not needed' })
    expect(await b.outcome).toMatchObject({ state: 'cancelled', run: (await b.accepted).run })
    expect(await host.lines.after('ended b ')).toBe('cancelled')
    await supervisor.close()
    host.child.stdin?.write('close\n')
    await host.exited
  })

  test('cancels the run that has it, also where its own signal has aborted before that is known', async ({
    scene,
  }) => {
    const host = scene.host('host-with-requests.mjs', ['k', 'a'], { stdin: 'pipe' })
    await host.lines.after('begun a')
    const supervisor = await openSupervisor({ state: scene.state })
    const signal = AbortSignal.abort(new Error('gone'))
    const a = supervisor.start({ session: 'k', ...request('a'), signal }, () => 'mine')
    expect(await a.outcome).toMatchObject({ state: 'cancelled', message: 'gone' })
    expect(await host.lines.after('ended a ')).toBe('cancelled')
    await supervisor.close()
    host.child.stdin?.write('close\n')
    await host.exited
  })

  test('cannot be begun without a callback a second time, unless it is the same run', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: 'k', ...request('q') })
    expect(await supervisor.begin({ session: 'k', ...request('q') })).toBe(run)
    expect(supervisor.start({ session: 'k', ...request('q') }, () => 'mine').id).toBe(run.id)
    await run.end()
    await expect(supervisor.begin({ session: 'k', ...request('q') })).rejects.toMatchObject({
      code: 'request_duplicate',
      run: run.id,
    })
    await supervisor.close()
  })
})

describe('P8: a request is accepted when it is stored', () => {
  test('also where it waits; what is refused or not stored is not accepted', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const holder = await supervisor.begin({ session: 'k' })
    const waits = supervisor.start({ session: 'k', ...request('q') }, () => 'ran')
    expect(await waits.accepted).toEqual({ state: 'waiting', run: waits.id })
    expect(await supervisor.show(waits.id)).toMatchObject({ state: 'waiting', request: 'q' })
    const busy = supervisor.start({ session: 'k', ...request('busy'), ifBusy: 'refuse' }, () => 'ran')
    await expect(busy.accepted).rejects.toMatchObject({ code: 'session_busy', holder: holder.id })
    await holder.end()
    expect(await waits.result).toBe('ran')
    // Who brings it again after that is not told of a refusal for ever.
    expect(await supervisor.run({ session: 'k', ...request('busy') }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  test('bad requests are refused by name', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const start = (spec: object) => () => supervisor.start(spec, () => {})
    expect(start({ session: 'k', request: { id: '' } })).toThrow(/^request\.id: must be a text/)
    expect(start({ session: 'k', request: { id: 'q', payload: () => {} } })).toThrow(
      /^request\.payload: function is/,
    )
    expect(start({ session: 'k', ifBusy: 'deliver' })).toThrow('ifBusy: deliver needs a request')
    expect(start({ request: { id: 'q' }, ifBusy: 'deliver' })).toThrow('ifBusy: deliver needs a session')
    await expect(openSupervisor({ state: scene.state, maxTries: 0 })).rejects.toThrow(
      /^maxTries: 0 is no whole/,
    )
    await expect(openSupervisor({ state: scene.state, keep: { number: -1 } })).rejects.toThrow(
      /^keep\.number: -1/,
    )
    expect(() => supervisor.pending({ after: 'x' })).toThrow(/^after: "x" is no position/)
    expect(() => supervisor.pending({ limit: 0 })).toThrow(/^limit: 0 is no whole number/)
    await supervisor.close()
  })
})

describe('P8: pending requests', () => {
  test('a killed gateway’s are there at the next open, in order, with their tries; run again they end', async ({
    scene,
  }) => {
    const host = scene.host('host-with-requests.mjs', ['k', 'a', 'b', 'c'])
    await host.lines.after('begun a 1')
    await host.lines.after('accepted c waiting')
    host.child.kill('SIGKILL')
    await host.died
    const supervisor = await openSupervisor({ state: scene.state })
    const page = await supervisor.pending()
    expect(page).toMatchObject([
      { session: 'k', request: { id: 'a', payload: { of: 'a' } }, tries: 1, exhausted: false },
      { session: 'k', request: { id: 'b', payload: { of: 'b' } }, tries: 0 },
      { session: 'k', request: { id: 'c' }, tries: 0 },
    ])
    const ran: unknown[] = []
    for await (const { session, request } of supervisor.pending({ limit: 1 }))
      await supervisor.run({ session: session ?? '', request: { id: request.id } }, (run) =>
        ran.push(run.request),
      )
    expect(ran).toEqual([
      { id: 'a', payload: { of: 'a' }, tries: 2 },
      { id: 'b', payload: { of: 'b' }, tries: 1 },
      { id: 'c', payload: { of: 'c' }, tries: 1 },
    ])
    expect(await supervisor.pending()).toEqual([])
    await supervisor.close()
  })

  test('what waits as a gateway closes is pending, and no try; what runs is cancelled, and over', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const begun = Promise.withResolvers<void>()
    const runs = supervisor.start({ session: 'k', ...request('runs') }, (run) => {
      begun.resolve()
      return new Promise((resolve) => run.signal.addEventListener('abort', resolve))
    })
    const waits = supervisor.start({ session: 'k', ...request('waits') }, () => 'ran')
    await Promise.all([begun.promise, waits.accepted])
    await supervisor.close()
    expect([(await runs.outcome).cause, (await waits.outcome).cause]).toEqual(['shutdown', 'shutdown'])
    const next = await openSupervisor({ state: scene.state })
    expect(await next.pending()).toMatchObject([{ request: { id: 'waits' }, tries: 0 }])
    await next.close()
  })

  test('a run that has its session and no place has not begun: that was no try', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, budget: { runs: 1 } })
    const holder = await supervisor.begin({ session: 'a' })
    const placeless = supervisor.start({ session: 'b', ...request('q') }, () => 'ran')
    expect(await placeless.accepted).toEqual({ state: 'waiting', run: placeless.id })
    const admitted = supervisor.start({ session: 'b', ...request('behind') }, () => 'ran')
    expect((await admitted.accepted).state).toBe('waiting')
    await supervisor.close()
    await holder.outcome
    const next = await openSupervisor({ state: scene.state })
    expect(await next.pending()).toMatchObject([
      { request: { id: 'q' }, tries: 0 },
      { request: { id: 'behind' }, tries: 0 },
    ])
    await next.close()
  })

  test('one that kills its gateway each time is refused as exhausted, and that is told as its ending', async ({
    scene,
  }) => {
    for (const time of [1, 2]) {
      const host = scene.host('host-with-requests.mjs', ['k', 'poison'], { env: { ENDINGS: 'none' } })
      await host.lines.after(`begun poison ${time}`)
      host.child.kill('SIGKILL')
      await host.died
    }
    const told: Ending[] = []
    const supervisor = await openSupervisor({
      state: scene.state,
      maxTries: 2,
      onEnding: (ending) => told.push(ending),
    })
    const [pending] = await supervisor.pending()
    expect(pending).toMatchObject({ request: { id: 'poison' }, tries: 2 })
    const again = supervisor.start({ session: 'k', ...request('poison') }, () => 'ran')
    await expect(again.result).rejects.toMatchObject({ code: 'request_exhausted', tries: 2 })
    expect(await again.outcome).toMatchObject({ state: 'refused', cause: 'request_exhausted' })
    expect(await supervisor.pending()).toEqual([])
    await supervisor.close()
    expect(told.map(({ outcome, request }) => [outcome.state, request?.pending])).toEqual([
      ['lost', true],
      ['lost', true],
      ['refused', false],
    ])
  })
})
