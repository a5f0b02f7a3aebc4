import type { Hold, StoredRun } from '../../store/records.js'
import { delay } from '../../timers.js'
import type { Keeper } from './keeper.js'
import { tellRefused } from './refused.js'
import { storeEnding } from './store-ending.js'

const message = 'its admission was not answered'

/**
 * The store has failed to answer for an admission, and may have it all the same: that run is nobody's then, and its
 * supervisor lives, so that nobody would recover it. It is ended as lost, which it is to its caller; its request is pending.
 */
export async function disown(keeper: Keeper, id: string): Promise<void> {
  for (let pause = 50; !keeper.isClosing; pause = Math.min(pause * 2, 2000)) {
    await delay(pause)
    try {
      const stored = await keeper.store.run(id)
      if (stored === null || stored.outcome !== null || stored.supervisor.id !== keeper.id) return
      if (stored.state === 'waiting') await keeper.store.endIfWaiting(id, 'lost', message, Date.now())
      else await endAdmitted(keeper, stored)
    } catch (error) {
      keeper.log.debug(
        { run: id, err: error },
        'could not end a run whose admission was not answered; trying again',
      )
    }
  }
}

/** It has launched nothing: its callback was never called. */
async function endAdmitted(keeper: Keeper, { id: run, fence, stop }: StoredRun): Promise<void> {
  if (fence === null) return
  const hold: Hold = { run, supervisor: keeper.id, fence }
  const { admitted, refused } = await storeEnding(
    keeper,
    hold,
    {
      cause: stop?.cause ?? 'lost',
      message: stop?.message ?? message,
      forced: false,
      callback: 'settled',
      trees: 0,
      tree: null,
      error: null,
      begun: false,
      through: [],
      telling: keeper.teller?.telling ?? null,
      at: Date.now(),
    },
    async () => {},
  )
  tellRefused(keeper, refused)
  if (admitted !== null) keeper.onAdmitted(admitted)
}
