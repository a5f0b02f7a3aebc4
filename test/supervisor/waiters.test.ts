/** What a long queue costs the keeper, counted in the rows that it reads of its store: a count does not depend on the machine. */
import { hostname } from 'node:os'
import { describe, expect } from 'vitest'
import { openGroup } from '#src/containment/group/group.js'
import { noLimits } from '#src/containment/limits.js'
import { self } from '#src/containment/processes/processes.js'
import { defaultBounds } from '#src/runs/bounds.js'
import type { Outcome } from '#src/runs/outcome.js'
import type { Store } from '#src/store/contract.js'
import { openStore } from '#src/store/open.js'
import type { CancelRequest } from '#src/supervisor/calls.js'
import { defaultLoopTimeout } from '#src/supervisor/host/loop-timeout.js'
import { handlers } from '#src/supervisor/keeper/calls.js'
import { join } from '#src/supervisor/keeper/joining.js'
import { Keeper } from '#src/supervisor/keeper/keeper.js'
import { openLog } from '#src/supervisor/keeper/log.js'
import { News } from '#src/supervisor/keeper/news.js'
import { type Scene, test } from '../support/scene.ts'

/** A keeper in this thread, whose store counts the rows that it answers with. */
class CountingKeeper implements AsyncDisposable {
  readonly #keeper: Keeper
  readonly #read: { rows: number }

  static async open({ folder, state }: Scene, id = 'one'): Promise<CountingKeeper> {
    const read = { rows: 0 }
    const store = counting(await openStore(state), read)
    const [containment, identity, { log, close: closeLog }] = await Promise.all([
      openGroup(),
      self(),
      openLog('silent'),
    ])
    const news = new News(log, false, () => {})
    const parts = {
      id,
      host: hostname(),
      identity,
      containment,
      store,
      log,
      news,
      closeLog,
      send() {},
      loopTimeout: defaultLoopTimeout,
    }
    const keeper = new Keeper(parts)
    await join(keeper, 600_000, folder)
    return new CountingKeeper(keeper, read)
  }

  constructor(keeper: Keeper, read: { rows: number }) {
    this.#keeper = keeper
    this.#read = read
  }

  get rowsRead(): number {
    return this.#read.rows
  }

  /** Asks for the session; resolves when the store has the run, whether it was admitted or waits. */
  async ask(run: string): Promise<void> {
    const spec = {
      run,
      session: 'held',
      parent: null,
      request: null,
      delivers: false,
      tells: false,
      labels: null,
      wait: null,
    }
    handlers
      .admit(this.#keeper, {
        ...spec,
        priority: 'interactive',
        interrupts: false,
        maxWaiters: 10_000,
        bounds: defaultBounds,
        sessionBudget: { trees: 1, limits: noLimits },
        breaker: null,
      })
      .catch(() => {})
    await this.#keeper.runs.get(run)?.stored.promise
  }

  /** Waits until it is the run's turn, and ends it. */
  async pass(run: string): Promise<void> {
    await this.#keeper.runs.get(run)?.admitted.promise
    await this.cancel({ run })
  }

  cancel(target: CancelRequest['target']): Promise<Outcome> {
    return handlers.cancel(this.#keeper, { target, message: null, grace: 0, force: false })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await handlers.close(this.#keeper, { drain: 0, within: 0 })
  }
}

function counting(store: Store, read: { rows: number }): Store {
  return new Proxy(store, {
    get(target, name) {
      const verb: unknown = Reflect.get(target, name)
      if (typeof verb !== 'function') return verb
      return async (...asked: unknown[]) => {
        const answer: unknown = await verb.apply(target, asked)
        read.rows += Array.isArray(answer) ? answer.length : 1
        return answer
      }
    },
  })
}

describe('P7: a long queue does not cost each of its waiters a look at all the others', () => {
  const waiters = Array.from({ length: 2000 }, (_, at) => `waiter-${at}`)
  /**
   * A look for each waiter would read two million rows. The look that there is every two seconds reads 180,000
   * for each keeper in the three minutes that a test may take.
   */
  const most = 400 * waiters.length

  test('where they come one after another, and each is admitted in its turn', async ({ scene }) => {
    await using keeper = await CountingKeeper.open(scene)
    for (const run of ['holder', ...waiters]) await keeper.ask(run)
    expect(keeper.rowsRead).toBeLessThan(most)
    for (const run of ['holder', ...waiters]) await keeper.pass(run)
    expect(keeper.rowsRead).toBeLessThan(most)
  })

  test('where they come all at once', async ({ scene }) => {
    await using keeper = await CountingKeeper.open(scene)
    await Promise.all(['holder', ...waiters].map((run) => keeper.ask(run)))
    expect(keeper.rowsRead).toBeLessThan(most)
  })

  test('where another process holds the session', async ({ scene }) => {
    const other = scene.host('host-holds-a-session.mjs', ['held'])
    await other.lines.after('ready ')
    await using keeper = await CountingKeeper.open(scene)
    for (const run of waiters) await keeper.ask(run)
    expect(keeper.rowsRead).toBeLessThan(most)
    await keeper.cancel({ session: 'held' })
  })

  test('where two supervisors hand the session to each other', async ({ scene }) => {
    await using one = await CountingKeeper.open(scene, 'one')
    await using two = await CountingKeeper.open(scene, 'two')
    const keeperOf = (at: number) => (at % 2 === 0 ? one : two)
    for (const [at, run] of waiters.entries()) await keeperOf(at).ask(run)
    for (const [at, run] of waiters.entries()) await keeperOf(at).pass(run)
    expect(one.rowsRead + two.rowsRead).toBeLessThan(most)
  })
})
