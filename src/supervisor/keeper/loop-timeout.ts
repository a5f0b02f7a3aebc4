import type { LoopTimeout } from '../keeper-settings.js'
import { close } from './closing.js'
import { type HostLoopEvents, longStall } from './host-loop.js'
import type { Keeper } from './keeper.js'

/** What follows where the host's event loop is blocked for too long. */
export function hostLoopEvents(keeper: Keeper, { exits }: LoopTimeout): HostLoopEvents {
  return {
    ask: () => keeper.send({ type: 'askAlive' }),
    countsSeconds: () => countsSeconds(keeper),
    onStuck(milliseconds) {
      const blockedMs = Math.round(milliseconds)
      keeper.log.error({ blockedMs }, 'the event loop of the host is blocked')
      if (exits) void exit(keeper)
      else keeper.renewNow().catch(() => {})
    },
    onBack(milliseconds) {
      keeper.log.warn({ blockedMs: Math.round(milliseconds) }, 'the event loop of the host turns again')
      keeper.renewNow().catch(() => {})
    },
  }
}

function countsSeconds({ runs, trees }: Keeper): boolean {
  for (const { bounds } of runs.values()) if (bounds.stallTimeout < longStall) return true
  for (const { request } of trees.values()) if (request.bounds.stallTimeout < longStall) return true
  return false
}

/** Nobody on the host's thread can be asked to go: its handlers would wait behind what blocks it, those of signals too. */
async function exit(keeper: Keeper): Promise<void> {
  await close(keeper, 0, Number.POSITIVE_INFINITY).catch(() => {})
  process.kill(process.pid, 'SIGKILL')
}
