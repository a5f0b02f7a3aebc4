import { type Check, counted, type Finding, isoTime } from '../check.js'
import type { InspectedStore } from '../inspection.js'

/** Requests that were tried as often as they may be: no run has them, and none will. */
export const requests: Check = {
  name: 'requests',
  title: 'requests without a run',
  async look({ inspector }) {
    const { trouble, pending, exhausted } = await inspector.part('store')
    if (trouble !== null) return { says: 'not known: the state could not be read', findings: [] }
    return {
      says: `${pending} pending, ${exhausted.length} of them exhausted`,
      findings: exhausted.map(finding),
    }
  },
}

function finding({ session, request, tries, run, at }: InspectedStore['exhausted'][number]): Finding {
  const where = session === null ? '' : ` of session ${session}`
  return {
    severity: 'warning',
    found: `request ${request}${where} was tried ${counted(tries, 'time')}, which is as often as it may be; run ${run} had it last`,
    why: 'whoever sent it has not heard how it ended, and no run will begin for it',
    mends:
      'running it again refuses it, and tells that as its ending; maxTries of the gateway allows more tries',
    facts: { session, request, tries, run, since: isoTime(at) },
  }
}
