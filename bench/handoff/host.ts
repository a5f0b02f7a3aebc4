/**
 * One of the processes that share a session. A line on stdin says how to pass it round; it does so until the next line,
 * and answers with the moments at which it had the session, in milliseconds of the clock that all processes share.
 */
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSupervisor } from 'coppice'
import lockfile from 'proper-lockfile'

/** `retryMs`: proper-lockfile's pause between two attempts. */
export type Passing =
  | { readonly how: 'coppice' }
  | { readonly how: 'proper-lockfile'; readonly retryMs: number }

/** `afterMs`: who asks first is no matter of a race where each begins so much later than the one before. */
export type Order = (Passing & { readonly afterMs: number }) | { readonly how: 'stop' }

/** When a process asked for the session, got it and gave it up. */
export type Turn = readonly [asked: number, enter: number, leave: number]

export interface Passed {
  readonly turns: readonly Turn[]
  /** Milliseconds of processor time, of all its threads. */
  readonly cpuMs: number
}

/** Milliseconds: each keeps the session for a while, and lets the others have it before it asks again. */
const holdMs = 10
const restMs = 20

const [state = '', file = ''] = process.argv.slice(2)
const supervisor = await openSupervisor({ state })
const now = () => Number(process.hrtime.bigint()) / 1e6
let over = true
let passing: Promise<Turn[]> = Promise.resolve([])
let cpu = process.cpuUsage()

createInterface({ input: process.stdin }).on('line', async (line) => {
  const order: Order = JSON.parse(line)
  over = true
  const turns = await passing
  if (order.how === 'stop') {
    const { user, system } = process.cpuUsage(cpu)
    console.log(JSON.stringify({ turns, cpuMs: (user + system) / 1000 } satisfies Passed))
    return
  }
  over = false
  cpu = process.cpuUsage()
  passing = sleep(order.afterMs).then(() =>
    order.how === 'coppice' ? byCoppice() : byLockfile(order.retryMs),
  )
})
process.stdin.on('end', () => supervisor.close())
console.log('ready')

async function byCoppice(): Promise<Turn[]> {
  const turns: Turn[] = []
  while (!over) {
    const asked = now()
    await supervisor.run({ session: 'shared' }, async () => {
      turns.push(await hold(asked))
    })
    await sleep(restMs)
  }
  return turns
}

async function byLockfile(retryMs: number): Promise<Turn[]> {
  const turns: Turn[] = []
  const retries = { forever: true, factor: 1, minTimeout: retryMs, maxTimeout: retryMs, randomize: true }
  while (!over) {
    const asked = now()
    const release = await lockfile.lock(file, { retries })
    turns.push(await hold(asked))
    await release()
    await sleep(restMs)
  }
  return turns
}

async function hold(asked: number): Promise<Turn> {
  const enter = now()
  await sleep(holdMs)
  return [asked, enter, now()]
}
