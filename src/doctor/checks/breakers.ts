import { describeOpened } from '../../runs/breaker.js'
import { type Check, counted, type Finding, isoTime } from '../check.js'
import type { InspectedStore } from '../inspection.js'

/** Sessions that refuse runs because so many have failed. */
export const breakers: Check = {
  name: 'breakers',
  title: 'sessions that refuse runs',
  async look({ inspector }) {
    const { breakers, trouble } = await inspector.part('store')
    if (trouble !== null) return { says: 'not known: the state could not be read', findings: [] }
    return { says: counted(breakers.length, 'open breaker'), findings: breakers.map(breaker) }
  },
}

function breaker({ session, breaker: { failures, opened } }: InspectedStore['breakers'][number]): Finding {
  return {
    severity: 'warning',
    found: `the breaker of session ${session} is ${opened === null ? 'open' : describeOpened(opened)}`,
    why: 'each message to the session is refused until a trial run succeeds',
    mends: `find out why its runs fail (coppice transcript ${session}); coppice breaker ${session} --close closes it at once`,
    facts: {
      session,
      failures,
      since: opened && isoTime(opened.since),
      retryAt: opened && isoTime(opened.retryAt),
      trial: opened?.trial ?? null,
      why: opened?.why ?? null,
    },
  }
}
