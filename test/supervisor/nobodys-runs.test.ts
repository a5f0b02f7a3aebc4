import { hostname } from 'node:os'
import { describe, expect } from 'vitest'
import { noLimits } from '#src/containment/limits.js'
import { CoppiceError } from '#src/errors.js'
import { defaultBounds } from '#src/runs/bounds.js'
import type { Store } from '#src/store/contract.js'
import { openStore } from '#src/store/open.js'
import type { StoredRun } from '#src/store/records.js'
import type { RunRequest } from '#src/supervisor/calls.js'
import { handlers } from '#src/supervisor/keeper/calls.js'
import type { Keeper } from '#src/supervisor/keeper/keeper.js'
import { recoverIfGone } from '#src/supervisor/keeper/recovery.js'
import { Teller } from '#src/supervisor/keeper/teller.js'
import { admission, ending, supervisorNamed } from '../store/scene.ts'
import { eventually } from '../support/eventually.ts'
import { openKeeper, withMethods } from '../support/keeper.ts'
import { test } from '../support/scene.ts'

const asked: RunRequest = {
  run: 'unanswered',
  session: 'k',
  parent: null,
  request: { id: 'q', payload: '{}' },
  delivers: false,
  tells: false,
  priority: 'interactive',
  labels: null,
  bounds: defaultBounds,
  wait: null,
  interrupts: false,
  maxWaiters: 9,
  sessionBudget: { trees: 9, limits: noLimits },
  breaker: null,
}

describe('P4: a run that is nobody’s, of a supervisor that lives', () => {
  for (const isHeld of [false, true]) {
    test(`is ended where its admission was stored and not answered, ${isHeld ? 'as it waits' : 'as it has its session'}`, async ({
      scene,
    }) => {
      const { keeper } = await openKeeper(scene, ({ store }) =>
        store === null
          ? {}
          : {
              store: withMethods(store, {
                async admit(asked) {
                  await store.admit(asked)
                  throw new CoppiceError('store_unavailable', 'the answer got lost')
                },
              }),
            },
      )
      const other = await openStore(scene.state)
      if (isHeld) await other.admit(admission('holder', 'k', { supervisor: 'one' }))
      await expect(handlers.admit(keeper, asked)).rejects.toMatchObject({ code: 'store_unavailable' })
      await eventually(async () => (await other.run('unanswered'))?.outcome?.state === 'lost')
      expect((await other.holder('k'))?.id).toBe(isHeld ? 'holder' : undefined)
      expect(await other.pending({})).toMatchObject([{ id: 'q', tries: 0 }])
      await handlers.close(keeper, { drain: 0, within: 0 })
      await other.close()
    })
  }

  test('is ended where it was taken over, and its recovery failed the first time', async ({ scene }) => {
    let sweeps = 0
    const { keeper } = await openKeeper(scene, ({ containment }) => ({
      containment: withMethods(containment, {
        sweep(request) {
          sweeps += 1
          if (sweeps === 1) throw new Error('no such folder: /proc')
          return containment.sweep(request)
        },
      }),
    }))
    const other = await openStore(scene.state)
    const left = await leftByTheDead(other, keeper)
    expect(await recoverIfGone(keeper, left)).toBe(true)
    expect(sweeps).toBe(2)
    expect(await other.run('left')).toMatchObject({ state: 'lost', supervisor: { id: 'one' } })
    await handlers.close(keeper, { drain: 0, within: 0 })
    await other.close()
  })
})

describe('P8: a caller is told', () => {
  test('that its run was ended, where that was stored and not answered', async ({ scene }) => {
    let looks = 0
    const { keeper } = await openKeeper(scene, ({ store, news }) =>
      store === null
        ? {}
        : {
            store: withMethods(store, {
              version() {
                looks += 1
                return store.version()
              },
              async endIfWaiting(...asked) {
                await store.endIfWaiting(...asked)
                const error = new CoppiceError('store_unavailable', 'the answer got lost')
                news.store(store.location, error)
                throw error
              },
            }),
          },
    )
    await keeper.store.admit(admission('holder', 'k', { supervisor: 'one' }))
    const admitted = handlers.admit(keeper, { ...asked, request: null })
    await eventually(() => keeper.runs.get('unanswered')?.isStored)
    // The first look reads everything, whoever has written.
    await eventually(() => {
      keeper.lookout.news()
      return looks > 1
    })
    const cancel = { target: { run: 'unanswered' }, message: null, grace: null, force: false }
    await expect(handlers.cancel(keeper, cancel)).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(admitted).rejects.toMatchObject({ code: 'run_cancelled' })
    await handlers.close(keeper, { drain: 0, within: 0 })
  })

  test('that its session is busy, and before that that its run waits, where the holder’s recovery takes for ever', async ({
    scene,
  }) => {
    const { keeper, told } = await openKeeper(scene, ({ containment }) => ({
      containment: withMethods(containment, { sweep: () => new Promise(() => {}) }),
    }))
    Object.assign(keeper, { bounds: { ...defaultBounds, grace: 0, killBound: 300, drainBound: 0 } })
    const other = await openStore(scene.state)
    await leftByTheDead(other, keeper)
    const admitted = handlers.admit(keeper, { ...asked, wait: 0 })
    await expect(admitted).rejects.toMatchObject({ code: 'session_busy', holder: 'left' })
    expect(told.map(({ type }) => type).filter((type) => type !== 'event')).toEqual(['waits', 'ended'])
    await handlers.close(keeper, { drain: 0, within: 0 })
    await other.close()
  })
})

/** A run that holds session `k`, of a process that is not there any more. */
async function leftByTheDead(
  store: Store,
  { identity: { bootId, pidNamespace } }: Keeper,
): Promise<StoredRun> {
  const identity = { pid: 2 ** 22 + 1, startTime: '1', bootId, pidNamespace }
  await store.register(supervisorNamed('dead', { host: hostname(), identity, socket: null }))
  await store.admit(admission('left', 'k', { supervisor: 'dead' }))
  return (await store.run('left')) ?? expect.fail('not stored')
}

describe('P8: an ending that is nobody’s, of a supervisor that lives', () => {
  test('is told where its claim was stored and not answered', async ({ scene }) => {
    let claims = 0
    const { keeper, told } = await openKeeper(scene, ({ store }) =>
      store === null
        ? {}
        : {
            store: withMethods(store, {
              async claimEndings(supervisor, limit, at) {
                const claimed = await store.claimEndings(supervisor, limit, at)
                claims += 1
                if (claims === 1) throw new CoppiceError('store_unavailable', 'the answer got lost')
                return claimed
              },
            }),
          },
    )
    const { fence } = (await keeper.store.admit(
      admission('ended', 'k', { supervisor: 'one', request: { id: 'q', payload: '{}' } }),
    )) as { fence: number }
    await keeper.store.finishIfHeld({ run: 'ended', supervisor: 'one', fence }, ending({ at: Date.now() }))
    keeper.teller = new Teller(keeper, { hold: null })
    await keeper.teller.start()
    await eventually(() => told.some((message) => message.type === 'ending'))
    expect(claims).toBeGreaterThan(1)
    await handlers.close(keeper, { drain: 0, within: 0 })
  })
})
