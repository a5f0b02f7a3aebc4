import type { SupervisorView } from '../supervisor/host/views.js'

/**
 * `well`: it answers, and the event loop of its host turns. `host_blocked`: its keeper answers, and the loop has not turned
 * for a while. `silent`: its process lives and does not answer. `dead`: its process is gone, and what it left is not
 * recovered yet.
 */
export type Verdict = 'well' | 'host_blocked' | 'silent' | 'dead'

/** Milliseconds that a loop may be busy with a turn of work without being called blocked. */
const blocked = 5000

export function verdictOf({ alive, health, blockedSince, renewedAt, ttlMs }: SupervisorView): Verdict {
  if (alive === 'dead') return 'dead'
  if (health !== null) return health.hostBlockedMs >= blocked ? 'host_blocked' : 'well'
  // One of another machine says what there is to say with its renewals.
  if (alive === 'unknown' && Date.now() - Date.parse(renewedAt) < ttlMs)
    return blockedSince === null ? 'well' : 'host_blocked'
  return 'silent'
}
