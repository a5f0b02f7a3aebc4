import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Run, Supervisor } from 'coppice'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Of nobody's: each callback waits for a promise of its own, which goes with it. */
const held: unknown[] = []

function neverSettles(): Promise<never> {
  const never = new Promise<never>(() => {})
  held.push(never)
  return never
}

/** Bytes of this thread's heap that each of so many callbacks leaves which never settle, one after another, in runs that end without them. */
export async function retainedBy(supervisor: Supervisor, count: number): Promise<number> {
  const callback = async (run: Run) => {
    await neverSettles()
    return run
  }
  const one = async () => {
    const run = supervisor.start({ session: 'forgets', grace: 0, drainBound: 0 }, callback)
    await entered(run)
    await run.cancel({ grace: 0 })
  }
  return (await growth(count, one)) - (await growth(count, async () => void callback(undefined as never)))
}

async function entered(run: { readonly state: string }): Promise<void> {
  while (run.state === 'waiting') await new Promise((resolve) => setImmediate(resolve))
}

async function growth(count: number, work: () => Promise<void>): Promise<number> {
  for (let warm = 0; warm < 100; warm++) await work()
  const before = await heapUsed()
  for (let done = 0; done < count; done++) await work()
  return ((await heapUsed()) - before) / count
}

/** What is dead may wait for a turn of the loop to be told so. */
async function heapUsed(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return process.memoryUsage().heapUsed
}
