/**
 * The store where it lives in production: in a worker thread, with who drives it in the same thread, beside the launcher that
 * gives this thread and the host's the processor sooner.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openContainment } from '#src/containment/open.js'
import { openStore } from '#src/store/open.js'
import { cycle, register } from './cycles.ts'

export type Order =
  | { readonly what: 'cycles'; readonly sessions: number; readonly ms: number }
  | { readonly what: 'renewals'; readonly count: number; readonly load: number }
  | { readonly what: 'close' }

const supervisor = 'measured'
const { state, hostThread } = workerData
const containment = await openContainment(null, () => {}, { hostThread })
const store = await openStore(state)
await register(store, supervisor)

const orders = {
  async cycles({ sessions, ms }: Order & { what: 'cycles' }) {
    const end = performance.now() + ms
    return await cycle(store, supervisor, sessions, () => performance.now() > end)
  },
  /** Latencies of paced renewals, in milliseconds, while this thread commits for `load` sessions as well. */
  async renewals({ count, load }: Order & { what: 'renewals' }) {
    let isOver = false
    const loaded = cycle(store, supervisor, load, () => isOver)
    const latencies = []
    for (let at = 0; at < count; at++) {
      await sleep(Math.random() * 4)
      const asked = performance.now()
      await store.renew(supervisor, Date.now(), null)
      latencies.push(performance.now() - asked)
    }
    isOver = true
    await loaded
    return latencies
  },
  async close() {
    await store.close()
    await containment.close()
  },
}

parentPort?.on('message', async (order: Order) => {
  parentPort?.postMessage(await orders[order.what](order as never))
  if (order.what === 'close') parentPort?.close()
})
