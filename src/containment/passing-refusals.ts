import { delay } from '../timers.js'

/**
 * What a system says of a program that is there and whole, and not a moment later any more: a scanner or whoever wrote it has it
 * open, or (Windows, `UNKNOWN`) it has no name for why. Nothing was started then.
 */
const passing = new Set(['EBUSY', 'ETXTBSY', 'UNKNOWN'])
/** Milliseconds before it is started once more. */
const pauses = [50, 250]

/** Calls what starts a program, once more and then once more again where the system refuses it for such a reason. */
export async function againIfRefused<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await start()
    } catch (error) {
      const pause = pauses[tries]
      if (pause === undefined || !passing.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      await delay(pause)
    }
  }
}
