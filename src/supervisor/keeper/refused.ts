import type { ErrorDetails } from '../../errors.js'
import { type Breaker, retryAfter } from '../../runs/breaker.js'
import type { Refused } from '../../store/admission-contract.js'
import type { Finished } from '../../store/ending-contract.js'
import type { StoredRun } from '../../store/records.js'
import { endedWaiting } from './admitted.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'

/** What the caller of a run is told that was refused. */
export function detailsOf({ holder, queueLength, ring, breaker, limit, tries }: Refused): ErrorDetails {
  return {
    ...holderDetails(holder),
    queueLength,
    ...(ring === null ? {} : { ring }),
    ...breakerDetails(breaker),
    ...(limit === null ? {} : { limit }),
    ...(tries === undefined ? {} : { tries }),
  }
}

export function holderDetails(holder: StoredRun | null): ErrorDetails {
  if (holder === null) return {}
  const { id, startedAt, createdAt, supervisor } = holder
  return { holder: id, since: new Date(startedAt ?? createdAt).toISOString(), supervisor: supervisor.id }
}

function breakerDetails(breaker: Breaker | null): ErrorDetails {
  if (breaker === null || breaker.opened === null) return {}
  const { since, why } = breaker.opened
  return { since: new Date(since).toISOString(), why, retryAfterMs: retryAfter(breaker, Date.now()) }
}

/** Tells the supervisors of waiters that they are refused; one that does not hear it sees it when it looks. */
export function tellRefused(keeper: Keeper, refused: Finished['refused']): void {
  for (const { run, socket } of refused) {
    if (keeper.runs.has(run)) keeper.lookout.newsOf(run)
    else if (socket !== null) keeper.tellNews(socket, run)
  }
}

/** A waiter of ours has been ended, by whomever; of a breaker that is open its caller is told until when. */
export async function endedByOthers(keeper: Keeper, run: SupervisedRun, stored: StoredRun): Promise<void> {
  const { session } = run.request
  const isRefused = stored.outcome?.cause === 'breaker_open' && session !== null
  const breaker = isRefused ? await keeper.store.breaker(session).catch(() => null) : null
  endedWaiting(keeper, run, stored, breakerDetails(breaker))
}
