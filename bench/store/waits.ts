import { closeSync, openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers'

/** Milliseconds between two things that are due in the loop. */
const interval = 1

/**
 * The longest that this thread's loop kept something waiting that was due, in milliseconds, while `work` goes on: because it was
 * busy, or had no processor while others had them all. What a sleeping processor takes to wake up is none of the store's, and on
 * a virtual machine it is more than all the rest: so on Linux what comes late counts as late only as far as the loop was active
 * meanwhile, or the kernel says that its thread waited for a processor.
 */
export async function longestWaitDuring(work: () => Promise<unknown>): Promise<number> {
  using waiting = new ProcessorWaits()
  let worst = 0
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    const due = performance.now() + interval
    const loop = performance.eventLoopUtilization()
    const waited = waiting.milliseconds
    timer = setTimeout(() => {
      const late = performance.now() - due
      const { active } = performance.eventLoopUtilization(loop)
      const explained = waiting.known ? active + waiting.milliseconds - waited : late
      worst = Math.max(worst, Math.min(late, explained))
      begin()
    }, interval)
  }
  begin()
  try {
    await work()
  } finally {
    clearTimeout(timer)
  }
  return worst
}

/** How long this thread has waited for a processor so far. */
class ProcessorWaits {
  readonly #buffer = Buffer.alloc(64)
  readonly #file = process.platform === 'linux' ? openSync('/proc/thread-self/schedstat', 'r') : null

  /** Whether the system tells. */
  get known(): boolean {
    return this.#file !== null
  }

  /** The second field (the kernel's sched-stats.rst). */
  get milliseconds(): number {
    if (this.#file === null) return 0
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0)
    return Number(this.#buffer.toString('ascii', 0, length).split(' ')[1]) / 1e6
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file)
  }
}
