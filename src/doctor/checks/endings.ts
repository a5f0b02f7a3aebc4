import ms from 'ms'
import { type Check, counted, type Finding, isoTime } from '../check.js'
import type { InspectedStore } from '../inspection.js'

/** Milliseconds. A handler that fails is called again within seconds, and one that works is through by then. */
const usual = 60_000

/** Endings that nobody acknowledges: whoever waits for them has not heard. */
export const endings: Check = {
  name: 'endings',
  title: 'endings that nobody has acknowledged',
  async look({ inspector }) {
    const { trouble, untold } = await inspector.part('store')
    if (trouble !== null) return { says: 'not known: the state could not be read', findings: [] }
    const says = counted(untold.count, 'ending')
    return { says, findings: untold.oldest === null ? [] : findingsOf(untold.count, untold.oldest) }
  },
}

function findingsOf(
  count: number,
  { run, session, endedAt }: NonNullable<InspectedStore['untold']['oldest']>,
): Finding[] {
  const ageMs = Math.max(0, Date.now() - endedAt)
  if (ageMs <= usual) return []
  const where = session === null ? '' : ` of session ${session}`
  return [
    {
      severity: 'warning',
      found: `${counted(count, 'ending')} that nobody has acknowledged, the oldest for ${ms(ageMs)}: of run ${run}${where}`,
      why: 'whoever waits for them has not heard how it ended, and they are kept until somebody has',
      mends:
        'start a gateway that takes endings (onEnding); where one is there, its handler fails or hangs: its log says so',
      facts: { count, run, session, endedAt: isoTime(endedAt), ageMs },
    },
  ]
}
