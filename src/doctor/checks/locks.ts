import ms from 'ms'
import type { StoredRun } from '../../store/records.js'
import { type Check, counted, type Finding, isoTime, type Place } from '../check.js'
import type { Owner } from '../inspection.js'
import { recovery } from './recovery.js'

/** Runs that are not over and whose supervisor is dead, or does not answer: they hold their sessions for nobody. */
export const locks: Check = {
  name: 'locks',
  title: 'sessions that are held for nobody',
  async look(place) {
    const owners = await place.inspector.part('owners')
    const all = owners.flatMap((owner) => owner.runs.map((run) => ({ owner, run })))
    const stale = all.filter(
      // A waiter of one that is only silent may be taken up again by it.
      ({ owner: { verdict }, run }) =>
        verdict === 'dead' || (verdict === 'silent' && run.state !== 'waiting'),
    )
    const findings = stale.map(({ owner, run }) => lock(owner, run, place, owners))
    return {
      says: `${counted(all.length, 'run')} under way, ${stale.length} stale`,
      findings,
    }
  },
}

function lock(owner: Owner, run: StoredRun, place: Place, owners: readonly Owner[]): Finding {
  const { record, condition, verdict } = owner
  const since = run.startedAt ?? run.createdAt
  const ageMs = Math.max(0, Date.now() - since)
  const what =
    run.session === null
      ? 'run'
      : run.state === 'waiting'
        ? `session ${run.session} is waited for by run`
        : `session ${run.session} is held by run`
  const who = `its supervisor, pid ${record.identity.pid}${condition === 'unknown' ? ` on ${record.host}` : ''}`
  const isSilent = verdict === 'silent'
  return {
    severity: 'error',
    found: `${what} ${run.id}, ${run.state} for ${ms(ageMs)}: ${who}, ${isSilent ? silence(owner) : `is ${conditions[condition]}`}`,
    why: isSilent
      ? 'nobody else gets the session until it answers, or its leases are over'
      : 'nobody gets the session until somebody recovers it, which whoever waits for it does too',
    mends: isSilent
      ? `kill -CONT ${record.identity.pid} where it was stopped; coppice doctor --fix takes the run once its leases are over; coppice cancel ${run.id} --force takes it now`
      : 'coppice doctor --fix',
    facts: {
      run: run.id,
      session: run.session,
      state: run.state,
      holder: { supervisor: record.id, host: record.host, pid: record.identity.pid },
      pidState: condition,
      ageMs,
      since: isoTime(since),
      renewedAt: isoTime(record.renewedAt),
      leaseEndsAt: isoTime(record.renewedAt + record.ttl),
      verdict,
    },
    fix: recovery(place, owners),
  }
}

export function silence({ condition, record }: Owner): string {
  if (condition === 'stopped') return 'is stopped'
  return `does not answer, and renewed its leases ${ms(Math.max(0, Date.now() - record.renewedAt))} ago`
}

export const conditions: Record<Owner['condition'], string> = {
  alive: 'alive',
  stopped: 'stopped',
  zombie: 'dead, and a zombie',
  gone: 'gone',
  reused: 'gone, and its number another process’s',
  rebooted: 'of an earlier boot',
  unknown: 'not to be seen from here',
}
