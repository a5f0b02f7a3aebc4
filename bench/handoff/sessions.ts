import type { Supervisor } from 'coppice'

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

export interface Queue {
  /** Milliseconds that cancelling each of some waiters took, until it had ended. */
  readonly cancels: readonly number[]
  /** Share of one processor that this process and its threads used while all waited. */
  readonly idle: number
  /** Whether those that were left were admitted in the order in which they came. */
  readonly inOrder: boolean
}

/** What a queue of `length` runs costs, in one process. */
export async function queueUp(supervisor: Supervisor, length: number, idleMs: number): Promise<Queue> {
  const holder = await supervisor.begin({ session: 'queue' })
  const admitted: number[] = []
  const waiting = Array.from({ length }, (_, at) => {
    const handle = supervisor.start({ session: 'queue' }, () => {
      admitted.push(at)
    })
    handle.result.catch(() => {})
    return handle
  })
  while (
    (await supervisor.sessions()).every(({ session, waiting }) => session !== 'queue' || waiting < length)
  );
  const before = process.cpuUsage()
  const from = performance.now()
  await new Promise((resolve) => setTimeout(resolve, idleMs))
  const { user, system } = process.cpuUsage(before)
  const idle = (user + system) / 1000 / (performance.now() - from)
  const cancels = []
  for (let at = 0; at < length; at += Math.ceil(length / 100)) {
    const asked = performance.now()
    await waiting[at]?.cancel()
    cancels.push(performance.now() - asked)
  }
  await holder.end()
  await Promise.all(waiting.map(({ outcome }) => outcome))
  const inOrder = admitted.length > 0 && admitted.every((at, i) => i === 0 || at > (admitted[i - 1] ?? -1))
  return { cancels, idle, inOrder }
}
