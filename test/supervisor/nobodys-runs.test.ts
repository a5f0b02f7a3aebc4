import { hostname } from 'node:os'
import { describe, expect } from 'vitest'
import { noLimits } from '#src/containment/limits.js'
import { CoppiceError } from '#src/errors.js'
import { defaultBounds } from '#src/runs/bounds.js'
import { openStore } from '#src/store/open.js'
import type { RunRequest } from '#src/supervisor/calls.js'
import { handlers } from '#src/supervisor/keeper/calls.js'
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
    const identity = {
      pid: 2 ** 22 + 1,
      startTime: '1',
      bootId: keeper.identity.bootId,
      pidNamespace: keeper.identity.pidNamespace,
    }
    await other.register(supervisorNamed('dead', { host: hostname(), identity, socket: null }))
    await other.admit(admission('left', 'k', { supervisor: 'dead' }))
    const left = await other.run('left')
    if (left === null) expect.fail('not stored')
    expect(await recoverIfGone(keeper, left)).toBe(true)
    expect(sweeps).toBe(2)
    expect(await other.run('left')).toMatchObject({ state: 'lost', supervisor: { id: 'one' } })
    await handlers.close(keeper, { drain: 0, within: 0 })
    await other.close()
  })
})

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
