import { isCoppiceError } from '../../errors.js'
import type { EndingRecord, Finished } from '../../store/ending-contract.js'
import type { Hold } from '../../store/records.js'
import { delay } from '../../timers.js'
import type { Keeper } from './keeper.js'

/**
 * Stores the end of a run that we hold. Nothing else releases its lock, so where the store is away this tries until
 * it is back. Rejects with `run_lost` alone: somebody else has claimed the run.
 */
export async function storeEnding(
  keeper: Keeper,
  hold: Hold,
  ending: EndingRecord,
  endSubagents: () => Promise<void>,
): Promise<Finished> {
  let record = ending
  let isFirst = true
  for (let pause = 20; ; pause = Math.min(pause * 2, 2000)) {
    try {
      const finished = await keeper.store.finishIfHeld(hold, record)
      // In this very turn: endings are told in the order in which the store has answered.
      keeper.teller?.ended(finished, record)
      return finished
    } catch (error) {
      if (isCoppiceError(error, 'run_lost')) throw error
      // Once: how long it lasts is the store's own news.
      const level = isFirst ? 'error' : 'debug'
      keeper.log[level]({ run: hold.run, err: error }, 'could not store the ending; trying again')
      isFirst = false
      // One that came in the last moment keeps the run from ending.
      await endSubagents().catch(() => {})
      // An ending that cannot be written down as it is would be refused for ever; its cause still can.
      if (!isCoppiceError(error)) record = { ...record, message: null, error: null, tree: null }
    }
    await delay(pause)
  }
}
