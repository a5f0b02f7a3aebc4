import { performance } from 'node:perf_hooks'
import { trueBy, type Way } from './commands.ts'

/** Milliseconds a launch, one figure for each round: of the clock, and of this thread at work. */
export interface Figures {
  readonly wall: number[]
  readonly loop: number[]
}

export interface Plan {
  readonly rounds: number
  /** How many launches each way has in a round. */
  readonly launches: Partial<Record<Way, number>>
}

/** Launches one after another; the ways take turns, and each round another one begins. */
export async function oneByOne({ rounds, launches }: Plan): Promise<Record<Way, Figures>> {
  const ways = Object.keys(launches) as Way[]
  const figures: Record<Way, Figures> = {
    coppice: { wall: [], loop: [] },
    spawn: { wall: [], loop: [] },
    execa: { wall: [], loop: [] },
  }
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [turn] of ways.entries()) {
      const way = ways[(turn + round) % ways.length] as Way
      const count = launches[way] ?? 0
      const loopBefore = performance.eventLoopUtilization()
      const from = performance.now()
      for (let launch = 0; launch < count; launch++) await trueBy[way]()
      const wall = performance.now() - from
      const { active } = performance.eventLoopUtilization(loopBefore)
      if (round === 0) continue
      figures[way].wall.push(wall / count)
      figures[way].loop.push(active / count)
    }
  }
  return figures
}
