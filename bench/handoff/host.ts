/**
 * One of the processes that share a session. A line on stdin says how to pass it round; it does so until the next line,
 * and answers with the moments at which it had the session, in milliseconds of the clock that all processes share.
 */
import { createInterface } from 'node:readline'
import { openSupervisor } from 'coppice'
import lockfile from 'proper-lockfile'

/** `retryMs`: proper-lockfile's pause between two attempts. */
export type Order =
  | { readonly how: 'coppice' }
  | { readonly how: 'proper-lockfile'; readonly retryMs: number }
  | { readonly how: 'stop' }

/** When a process got the session, and when it gave it up. */
export type Turn = readonly [enter: number, leave: number]

const [state = '', file = ''] = process.argv.slice(2)
const supervisor = await openSupervisor({ state })
const now = () => Number(process.hrtime.bigint()) / 1e6
let over = true
let passing: Promise<Turn[]> = Promise.resolve([])

createInterface({ input: process.stdin }).on('line', async (line) => {
  const order: Order = JSON.parse(line)
  over = true
  const turns = await passing
  if (order.how === 'stop') {
    console.log(JSON.stringify(turns))
    return
  }
  over = false
  passing = order.how === 'coppice' ? byCoppice() : byLockfile(order.retryMs)
})
process.stdin.on('end', () => supervisor.close())
console.log('ready')

async function byCoppice(): Promise<Turn[]> {
  const turns: Turn[] = []
  while (!over) {
    await supervisor.run({ session: 'shared' }, () => {
      const enter = now()
      turns.push([enter, now()])
    })
  }
  return turns
}

async function byLockfile(retryMs: number): Promise<Turn[]> {
  const turns: Turn[] = []
  const retries = { forever: true, factor: 1, minTimeout: retryMs, maxTimeout: retryMs, randomize: true }
  while (!over) {
    const release = await lockfile.lock(file, { retries })
    const enter = now()
    turns.push([enter, now()])
    await release()
  }
  return turns
}
