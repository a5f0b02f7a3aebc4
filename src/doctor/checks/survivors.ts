import { endSurvivor } from '../../containment/looking/survivor.js'
import { type Check, counted, type Finding } from '../check.js'
import type { Remains } from '../inspection.js'

/** Processes that SIGKILL did not end within the kill bound of their run, and that live still. */
export const survivors: Check = {
  name: 'survivors',
  title: 'processes that outlived their kill',
  async look({ inspector }) {
    const { survivors } = await inspector.part('remains')
    return { says: counted(survivors.length, 'survivor'), findings: survivors.map(survivor) }
  },
}

function survivor({ run, process, name }: Remains['survivors'][number]): Finding {
  const { pid, startTime } = process
  return {
    severity: 'error',
    found: `pid ${pid} (${name}) of run ${run} was killed and lives on`,
    why: 'it hangs in a call of the system, or is another user’s; it may go on as soon as it can',
    mends: `coppice doctor --fix kills it once more; what hangs in the disk or the network ends when that answers`,
    facts: { run, pid, startTime, name },
    fix: async () => {
      const said = { ended: 'killed', living: 'could not kill', refused: 'may not kill' }
      return [`${said[await endSurvivor(process)]} pid ${pid} (${name}) of run ${run}`]
    },
  }
}
