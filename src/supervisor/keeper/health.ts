import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { KeeperHealth } from '../messages.js'
import type { Keeper } from './keeper.js'

/** Milliseconds between the histogram's looks at the clock, which are in what it measures. */
const resolution = 20

/** How the keeper's own event loop does: it is what every bound hangs on. */
export class OwnDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution })

  start(): void {
    this.#histogram.enable()
  }

  stop(): void {
    this.#histogram.disable()
  }

  /** The longest delay since the last call, in milliseconds. */
  take(): number {
    const { max } = this.#histogram
    this.#histogram.reset()
    return Math.max(0, Math.round(max / 1e6) - resolution)
  }
}

export function healthOf(keeper: Keeper): KeeperHealth {
  const runs = [...keeper.runs.values()]
  const waiting = runs.filter(({ progress }) => progress.state === 'waiting').length
  return {
    supervisor: keeper.id,
    pid: process.pid,
    hostBlockedMs: Math.round(keeper.hostLoop.blockedFor),
    keeperDelayMs: keeper.ownDelay.take(),
    renewedMs: Math.round(performance.now() - keeper.renewedAt),
    running: runs.length - waiting,
    waiting,
    trees: keeper.trees.size,
  }
}
