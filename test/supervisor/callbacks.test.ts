import { setTimeout as sleep } from 'node:timers/promises'
import { isCoppiceError, openSupervisor, type Run } from 'coppice'
import { describe, expect } from 'vitest'
import { test } from '../support/scene.ts'

const codeOf = (promise: PromiseLike<unknown>) =>
  promise.then(
    () => 'done',
    (error: unknown) => (isCoppiceError(error) ? error.code : error),
  )

const hangInAttempt = (run: Run) => run.attempt(() => new Promise(() => {}))

/** One that blocks the event loop is in processes.test.ts: that needs a host of its own. */
describe('case 20: whatever a callback does, its session is free within the bound and the next run proceeds', () => {
  let late: Promise<unknown>[] = []
  let ended = Promise.withResolvers<void>()

  test.for([
    { what: 'returns', fn: () => 'value', state: 'succeeded' },
    {
      what: 'throws',
      fn: () => {
        throw new Error('thrown')
      },
      state: 'failed',
    },
    { what: 'throws nothing at all', fn: () => Promise.reject(undefined), state: 'failed' },
    { what: 'rejects', fn: () => Promise.reject(new Error('rejected')), state: 'failed' },
    { what: 'rejects later', fn: () => sleep(20).then(() => Promise.reject(new Error())), state: 'failed' },
    { what: 'never settles within an attempt', fn: hangInAttempt, state: 'timed_out' },
    { what: 'never settles', fn: () => new Promise(() => {}), state: 'timed_out' },
    {
      what: 'calls back after its end',
      fn: (run: Run) =>
        new Promise((resolve) => {
          run.signal.addEventListener('abort', () => {
            late = [
              ended.promise.then(() => run.append('late')),
              ended.promise.then(() => run.exec('true')),
              ended.promise.then(() => run.attempt(() => 'late')),
            ]
            Promise.allSettled(late).then(resolve)
          })
        }),
      state: 'timed_out',
    },
  ])('P2, P4, P6: $what', async ({ fn, state }, { scene }) => {
    late = []
    ended = Promise.withResolvers()
    const supervisor = await openSupervisor({ state: scene.state, grace: '100ms', drainBound: '100ms' })
    const begun = performance.now()
    const timeout = state === 'timed_out' ? '300ms' : '20s'
    const handle = supervisor.start({ session: 'k', timeout }, fn)
    const next = supervisor.run({ session: 'k' }, (run) => run.append('next'))
    expect(await handle.outcome).toMatchObject({ state })
    await next
    // 300 ms and a grace of 100: the rest is the machine's.
    expect(performance.now() - begun).toBeLessThan(15_000)
    ended.resolve()
    expect(await Promise.all(late.map(codeOf))).toEqual(late.map(() => 'run_ended'))
    expect(await supervisor.transcript('k')).toMatchObject([
      { kind: 'ending', outcome: { state } },
      { entry: 'next' },
      { kind: 'ending', outcome: { state: 'succeeded' } },
    ])
    await supervisor.close()
  })
})

describe('case 28: a run that has ended', () => {
  test('P6: starts and writes nothing more, and its successor’s entries stand alone', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '50ms' })
    let goesOn = true
    let writing: Promise<Set<unknown>> | undefined
    const first = supervisor.start({ session: 'k', timeout: '2s' }, (run) => {
      writing = (async () => {
        const codes = new Set<unknown>()
        for (let count = 0; goesOn; count++) {
          codes.add(await codeOf(run.append({ first: count })))
          await sleep(10)
        }
        codes.add(`subagent ${await codeOf(run.subagent({ session: 'l' }, () => 'ran'))}`)
        codes.add(`exec ${await codeOf(run.exec('true'))}`)
        return codes
      })()
      return new Promise(() => {})
    })
    await supervisor.run({ session: 'k' }, async (run) => {
      for (let count = 0; count < 100; count++) await run.append({ second: count })
    })
    goesOn = false
    expect(await writing).toEqual(new Set(['done', 'run_ended', 'subagent run_ended', 'exec run_ended']))
    expect(await first.outcome).toMatchObject({ state: 'timed_out', callback: 'left_behind' })
    const items = await supervisor.transcript('k', { limit: 10_000 })
    const ending = items.findIndex(({ kind }) => kind === 'ending')
    expect(items.slice(0, ending).every(({ run }) => run === first.id)).toBe(true)
    const successors = items.slice(ending + 1, -1).map((item) => item.kind === 'entry' && item.entry)
    expect(successors).toEqual(Array.from({ length: 100 }, (_, second) => ({ second })))
    expect(await supervisor.runs({ session: 'l' })).toEqual([])
    await supervisor.close()
  })
})
