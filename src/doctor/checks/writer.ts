import type { Check, Finding } from '../check.js'
import type { Writer } from '../inspection.js'

/** Whether somebody keeps all others from writing. */
export const writer: Check = {
  name: 'writer',
  title: 'who writes to the state',
  async look({ inspector, task: { location } }) {
    const writers = await inspector.part('writers')
    // A supervisor that answers is at work: it lets go between two commits, also where each look has met one.
    const stuck = writers.filter(({ isWell }) => !isWell)
    if (stuck.length === 0) return { says: 'nobody holds its lock', findings: [] }
    return { says: 'it is locked', findings: stuck.map((one) => locked(one, location)) }
  },
}

function locked({ pid, name, condition }: Writer, location: string): Finding {
  const what = condition === 'stopped' ? 'is stopped in the middle of a write' : 'does not let go'
  return {
    severity: 'error',
    found: `the state is locked by pid ${pid} (${name}), which ${what}`,
    why: 'nothing can be written: no run begins or ends while it is locked',
    mends:
      condition === 'stopped'
        ? `kill -CONT ${pid}`
        : `end pid ${pid}, or wait until it is done; the state is coppice’s alone`,
    facts: { location, pid, name, condition },
  }
}
