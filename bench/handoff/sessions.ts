import { setTimeout as sleep } from 'node:timers/promises'
import type { RunHandle, Supervisor } from 'coppice'
import { type Idle, idleFor } from './idle.ts'

/** Milliseconds per run where so many sessions have `runs` runs each, one after another, all sessions at once. */
export async function costPerRun(supervisor: Supervisor, sessions: number, runs: number): Promise<number> {
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: sessions }, async (_, at) => {
      for (let run = 0; run < runs; run++)
        await supervisor.run({ session: `agent:${sessions}:${at}` }, () => {})
    }),
  )
  return (performance.now() - begun) / (sessions * runs)
}

/** Until the garbage of what went before is collected, and its log written to the file: idle is what comes after that. */
const restMs = 3_000
const idleRounds = 5
/** So many of them, from everywhere in the queue. */
const cancelled = 100

export interface Queue {
  /** Milliseconds that cancelling each of some waiters took, until it had ended, of a process at work. */
  readonly cancels: readonly number[]
  /** What this process and its threads took while all waited. */
  readonly idle: readonly Idle[]
  /** The same of one more after that: of a process, and a processor, that have to wake up first. */
  readonly cancelAfterIdle: number
  /** Whether those that were left were admitted in the order in which they came. */
  readonly inOrder: boolean
}

/** What a queue of `length` runs costs, in one process. */
export async function queueUp(supervisor: Supervisor, length: number, idleMs: number): Promise<Queue> {
  await warmUp(supervisor)
  const holder = await supervisor.begin({ session: 'queue' })
  const admitted: number[] = []
  const waiting: RunHandle<void>[] = []
  const queue = async (count: number) => {
    for (let left = count; left > 0; left--) {
      const at = waiting.length
      const handle = supervisor.start({ session: 'queue' }, () => {
        admitted.push(at)
      })
      handle.result.catch(() => {})
      waiting.push(handle)
    }
    const isQueued = async () =>
      (await supervisor.sessions()).some(({ session, waiting }) => session === 'queue' && waiting === length)
    // Not without a pause: a list of all sessions of all rounds is a megabyte of garbage, whose collection is none of what is measured.
    while (!(await isQueued())) await sleep(100)
  }
  const cancel = async (at: number) => {
    const asked = performance.now()
    await waiting[at]?.cancel()
    return performance.now() - asked
  }
  await queue(length)
  const cancels = []
  for (let at = 0; at < length; at += length / cancelled) cancels.push(await cancel(at))
  await queue(cancelled)
  await sleep(restMs)
  const idle = []
  for (let round = 0; round < idleRounds; round++) idle.push(await idleFor(idleMs))
  const cancelAfterIdle = await cancel(waiting.length - 1)
  await holder.end()
  await Promise.all(waiting.map(({ outcome }) => outcome))
  const inOrder = admitted.length > 0 && admitted.every((at, i) => i === 0 || at > (admitted[i - 1] ?? -1))
  return { cancels, idle, cancelAfterIdle, inOrder }
}

/** As in every other line: what is measured has been compiled. */
async function warmUp(supervisor: Supervisor): Promise<void> {
  const holder = await supervisor.begin({ session: 'warm' })
  for (let done = 0; done < 20; done++) {
    const handle = supervisor.start({ session: 'warm' }, () => {})
    handle.result.catch(() => {})
    while ((await supervisor.runs({ state: 'waiting' })).length === 0) await sleep(1)
    await handle.cancel()
  }
  await holder.end()
}
