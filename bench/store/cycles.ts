/** What both parts of the benchmark do with a store: whole runs, one after another in each of some sessions. */

import type { Store } from '#src/store/contract.js'
import type { EndingRecord } from '#src/store/ending-contract.js'

export async function register(store: Store, supervisor: string): Promise<void> {
  const identity = { pid: process.pid, startTime: '1', bootId: 'bench', pidNamespace: '' }
  const at = Date.now()
  await store.register({
    id: supervisor,
    host: 'bench',
    identity,
    socket: null,
    startedAt: at,
    renewedAt: at,
    ttl: 600_000,
    blockedSince: null,
  })
}

export interface Round {
  readonly cycles: number
  readonly ms: number
}

/** Acquire, start, finish, release, each acknowledged when it is on the disk, until `isOver`. */
export async function cycle(
  store: Store,
  supervisor: string,
  sessions: number,
  isOver: () => boolean,
): Promise<Round> {
  const begun = performance.now()
  let cycles = 0
  const names = Array.from({ length: sessions }, (_, at) => `agent:${supervisor}:${at}`)
  await Promise.all(
    names.map(async (session) => {
      while (!isOver()) {
        const run = `${supervisor}-${++started}`
        const admission = { run, supervisor, session, at: Date.now(), ...plain }
        const answer = await store.admit(admission)
        if (answer.state !== 'running') throw new Error(`${session} is held by another run`)
        await store.finishIfHeld({ run, supervisor, fence: answer.fence }, { ...returned, at: Date.now() })
        cycles++
      }
    }),
  )
  return { cycles, ms: performance.now() - begun }
}

/** Ids that sort by time, as those of a supervisor do. */
let started = 1_000_000_000

const plain = {
  parent: null,
  request: null,
  priority: 'interactive',
  interrupts: false,
  maxWaiters: 1_000,
  mostWaiting: null,
  breaker: null,
  labels: null,
  maxTries: 3,
  begins: true,
  delivers: false,
  tells: false,
} as const

const returned: Omit<EndingRecord, 'at'> = {
  cause: 'returned',
  message: null,
  forced: false,
  callback: 'settled',
  trees: 0,
  tree: null,
  error: null,
  begun: true,
  through: [],
  telling: null,
}
