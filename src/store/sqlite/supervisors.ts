import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { defaultSubagents, type SubagentLimits } from '../../runs/subagents.js'
import type { SupervisorRecord } from '../records.js'
import { allAs, type SupervisorRow, supervisorRecord } from './rows.js'
import { isLive } from './schema.js'

/**
 * A waiter is admitted only where its supervisor `v` is there to take the session up: a stale one's stays in the
 * queue, for recovery.
 */
export const isFresh = 'v.closed_at IS NULL AND v.renewed_at + v.ttl > ?'

/** A list longer than this is of no use to anybody, and would hold up the heartbeat. */
const mostSupervisors = 10_000

export function supervisorVerbs(database: DatabaseSync) {
  const insert = database.prepare(`
    INSERT INTO supervisors
      (id, host, pid, start_time, boot_id, pid_namespace, socket, started_at, renewed_at, ttl,
        most_depth, most_subagents)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET socket = excluded.socket, ttl = excluded.ttl,
      renewed_at = max(renewed_at, excluded.renewed_at)
    WHERE closed_at IS NULL`)
  const renewal = database.prepare(
    'UPDATE supervisors SET renewed_at = max(renewed_at, ?), blocked_since = ? WHERE id = ? AND closed_at IS NULL',
  )
  // Its row stays, since its runs point to it. One that still has runs stays open, so that they are recovered.
  const closing = database.prepare(`
    UPDATE supervisors SET closed_at = ? WHERE id = ? AND closed_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM runs WHERE supervisor = supervisors.seq AND ${isLive})
      AND NOT EXISTS (SELECT 1 FROM runs WHERE supervisor = supervisors.seq AND state = 'waiting')`)
  const open = database.prepare('SELECT * FROM supervisors WHERE closed_at IS NULL ORDER BY seq DESC LIMIT ?')

  return {
    register(supervisor: SupervisorRecord, { depth, atOnce }: SubagentLimits = defaultSubagents): void {
      const { id, host, identity, socket, startedAt, renewedAt, ttl } = supervisor
      const { pid, startTime, bootId, pidNamespace } = identity
      const limits = [depth, atOnce].map((most) => Math.min(most, Number.MAX_SAFE_INTEGER))
      const row = [
        id,
        host,
        pid,
        startTime,
        bootId,
        pidNamespace,
        socket,
        startedAt,
        renewedAt,
        ttl,
        ...limits,
      ]
      if (insert.run(...row).changes === 0) throw closed(id)
    },
    renew(id: string, at: number, blockedSince: number | null): void {
      if (renewal.run(at, blockedSince, id).changes === 0) throw closed(id)
    },
    unregister(id: string, at: number): void {
      closing.run(at, id)
    },
    supervisors(): SupervisorRecord[] {
      return allAs<SupervisorRow>(open.all(mostSupervisors)).map(supervisorRecord)
    },
  }
}

export function closed(supervisor: string): CoppiceError {
  return new CoppiceError('supervisor_closed', `supervisor ${supervisor} is not registered, or was closed`)
}
