import type { Recovered } from '../events.js'
import { bareKeeper } from './bare-keeper.js'
import { KeeperLink } from './link.js'
import { type StateOptions, storeSettings } from './state.js'
import { type RunView, viewRun } from './views.js'

export interface Recovery {
  readonly recovered: readonly Recovered[]
  /** The runs of supervisors that live and did not answer, and whose leases were not over yet. */
  readonly left: readonly RunView[]
}

/**
 * Opens a store as a supervisor that runs nothing, recovers what others left in it, and leaves. A supervisor that lives and
 * is silent is watched for `patience` milliseconds. Rejects as `openSupervisor` does.
 */
export async function recoverStore(options: StateOptions, patience: number): Promise<Recovery> {
  const recovered: Recovered[] = []
  const link = await KeeperLink.open(
    {
      ...bareKeeper,
      store: storeSettings(options),
      containment: null,
      listened: ['recovered'],
    },
    (message) => {
      if (message.type === 'event' && message.name === 'recovered') recovered.push(message.event)
    },
  )
  try {
    const left = await link.call('recover', { patience })
    return { recovered, left: left.map(viewRun) }
  } finally {
    await link.close({ drain: 0, within: Number.POSITIVE_INFINITY })
  }
}
