import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { trueBy, type Way } from './commands.ts'

/** Milliseconds: how long a burst took, and how late the host's loop came in its worst hundredth. */
export interface Bursts {
  readonly wall: Record<'coppice' | 'spawn', number[]>
  readonly delay: Record<'coppice' | 'spawn', number[]>
}

export async function atOnce(count: number, rounds: number): Promise<Bursts> {
  const bursts: Bursts = { wall: { coppice: [], spawn: [] }, delay: { coppice: [], spawn: [] } }
  for (let round = 0; round <= rounds; round++) {
    const ways = round % 2 === 0 ? (['coppice', 'spawn'] as const) : (['spawn', 'coppice'] as const)
    for (const way of ways) {
      const { wall, delay } = await burst(way, count)
      if (round === 0) continue
      bursts.wall[way].push(wall)
      bursts.delay[way].push(delay)
    }
  }
  return bursts
}

async function burst(way: Way, count: number): Promise<{ wall: number; delay: number }> {
  const resolution = 1
  const monitor = monitorEventLoopDelay({ resolution })
  monitor.enable()
  // Its timer has to run once before it measures.
  await sleep(2 * resolution)
  monitor.reset()
  const from = performance.now()
  await Promise.all(Array.from({ length: count }, () => trueBy[way]()))
  const wall = performance.now() - from
  // A loop that was blocked to the end tells it in its next turn.
  await sleep(2 * resolution)
  monitor.disable()
  return { wall, delay: Math.max(0, monitor.percentile(99) / 1e6 - resolution) }
}
