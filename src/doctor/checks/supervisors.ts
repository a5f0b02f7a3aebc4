import { type Check, counted, type Finding, type Place } from '../check.js'
import type { Owner } from '../inspection.js'
import { conditions, silence } from './locks.js'
import { recovery } from './recovery.js'

/** Supervisors that have the state open and do not answer, or died with it open. */
export const supervisors: Check = {
  name: 'supervisors',
  title: 'the supervisors of the state',
  async look(place) {
    const owners = await place.inspector.part('owners')
    // One that is dead with runs is found by those.
    const odd = owners.filter(
      ({ verdict, runs }) => verdict === 'silent' || (verdict === 'dead' && runs.length === 0),
    )
    return {
      says: `${counted(owners.length, 'supervisor')}, ${owners.filter(({ verdict }) => verdict === 'well').length} of them answering`,
      findings: odd.map((owner) => (owner.verdict === 'dead' ? dead(owner, place, owners) : silent(owner))),
    }
  },
}

function factsOf({ record, condition, verdict, runs }: Owner): Finding['facts'] {
  const { id, host, identity } = record
  return { supervisor: id, host, pid: identity.pid, pidState: condition, verdict, runs: runs.length }
}

function dead(owner: Owner, place: Place, owners: readonly Owner[]): Finding {
  const { record, condition } = owner
  return {
    severity: 'warning',
    found: `supervisor ${record.id}, pid ${record.identity.pid}, died with the state open: it is ${conditions[condition]}`,
    why: 'it crashed, or was killed; it held nothing',
    mends: 'coppice doctor --fix, or the next supervisor that opens the state',
    facts: factsOf(owner),
    fix: recovery(place, owners),
  }
}

function silent(owner: Owner): Finding {
  const { pid } = owner.record.identity
  return {
    severity: 'error',
    found: `supervisor ${owner.record.id}, pid ${pid} on ${owner.record.host}, ${silence(owner)}`,
    why: 'its runs make no progress, and what waits for it is not admitted',
    mends:
      owner.condition === 'stopped'
        ? `kill -CONT ${pid}`
        : `restart the gateway of pid ${pid}: what it held is recovered then`,
    facts: factsOf(owner),
  }
}
