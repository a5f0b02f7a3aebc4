import {
  isOrdinaryProgram,
  manyZombies,
  observeReaping,
  type Reaping,
} from '../../containment/looking/reaping.js'
import { type Check, counted, type Finding } from '../check.js'

/** Milliseconds that an init gets. Some look for orphans every two seconds only: they are slow, and no trouble. */
const patience = 150

/** Whether somebody reaps orphans, shown by one that is made for it. */
export const init: Check = {
  name: 'init',
  title: 'who reaps orphans',
  async look({ bound }) {
    const seen = await observeReaping(patience, bound - patience)
    if (seen === null) return { says: 'not seen on this system', findings: [] }
    const { reaper, isReaped, waitedMs } = seen
    const who = `pid ${reaper.pid} (${reaper.name})`
    if (isReaped) return { says: `${who} reaped one within ${waitedMs} ms`, findings: [] }
    const says = `${who} had not reaped one after ${waitedMs} ms`
    return { says, findings: [unreaped(seen, await isOrdinaryProgram(reaper.pid))] }
  },
}

function unreaped({ reaper, zombies, waitedMs }: Reaping, isProgram: boolean): Finding {
  const isTrouble = isProgram || zombies >= manyZombies
  return {
    severity: isTrouble ? 'warning' : 'note',
    found: `pid ${reaper.pid} (${reaper.name}) had not reaped an orphan after ${waitedMs} ms, and has ${counted(zombies, 'other zombie')}`,
    why: isTrouble
      ? 'who has exited keeps its process number: at the limit (pids.max, ulimit -u) nothing can be started any more'
      : 'it is slow about it, as some are, and not without end',
    mends: isTrouble
      ? 'put an init before it: docker run --init, or ENTRYPOINT ["tini", "--", …]'
      : 'nothing, as long as their number does not grow',
    facts: { ...reaper, zombies, waitedMs },
  }
}
