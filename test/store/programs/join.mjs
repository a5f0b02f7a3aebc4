// What these programs have in common: each is a supervisor of the store, and its runs are ordinary ones.
import { openStore } from '#src/store/open.js'

/** Opens the store at `path` and makes this process known to it. */
export async function join(path, supervisor) {
  const store = await openStore(path)
  const identity = { pid: process.pid, startTime: '1', bootId: 'boot', pidNamespace: '' }
  const at = Date.now()
  const times = { startedAt: at, renewedAt: at, ttl: 60_000 }
  await store.register({ id: supervisor, host: 'here', identity, socket: null, ...times })
  return store
}

/** What the admission of a run says beside its id, its supervisor, its session and the time. */
export const plain = {
  parent: null,
  request: null,
  labels: null,
  priority: 'interactive',
  interrupts: false,
  maxWaiters: 1_000,
  mostWaiting: null,
  breaker: null,
}

/** The ending of a run whose callback returned, but for the time. */
export const returned = {
  cause: 'returned',
  message: null,
  forced: false,
  callback: 'settled',
  trees: 0,
  tree: null,
  error: null,
}
