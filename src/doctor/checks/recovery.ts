import ms from 'ms'
import { recoverStore } from '../../supervisor/host/recovering.js'
import type { Fix, Place } from '../check.js'
import type { Owner } from '../inspection.js'

/** Milliseconds. A silent owner is watched for as long as its leases live; one with longer leases is for a person to judge. */
const longestWatch = 60_000
/** The last renewal may be a moment ago, and is only then looked at again. */
const margin = 2_000

const known = new WeakMap<object, Fix>()

/** A supervisor that joins, recovers what others left, and leaves. One for all findings that it mends. */
export function recovery(place: Place, owners: readonly Owner[]): Fix {
  const before = known.get(place)
  if (before !== undefined) return before
  const fix = recover(place, owners)
  known.set(place, fix)
  return fix
}

function recover({ state }: Place, owners: readonly Owner[]): Fix {
  return async () => {
    const silent = owners.filter(
      ({ verdict, runs }) => verdict === 'silent' && runs.some((run) => run.state !== 'waiting'),
    )
    const watch = Math.min(longestWatch, Math.max(0, ...silent.map(({ record }) => record.ttl + margin)))
    const { recovered, left } = await recoverStore(state, watch)
    const dead = owners.filter(({ verdict }) => verdict === 'dead').length
    return [
      ...recovered.map(({ run, session, state, killed }) => {
        const freed = session === null ? '' : ` and freed session ${session}`
        const ended = killed === 0 ? '' : `, after killing ${killed} of its processes`
        return `ended run ${run} as ${state}${freed}${ended}`
      }),
      ...(dead > 0 && recovered.length === 0
        ? [`forgot ${dead === 1 ? '1 supervisor that is' : `${dead} supervisors that are`} gone`]
        : []),
      ...left.map(
        ({ run, supervisor }) =>
          `left run ${run} alone: its supervisor, pid ${supervisor.pid}, lives, and its leases were not over after ${ms(watch)}`,
      ),
    ]
  }
}
