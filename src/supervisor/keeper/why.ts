import type { StoredRun } from '../../store/records.js'
import type { WhyFacts } from '../doing.js'
import { doingAnywhere } from './doing.js'
import type { Keeper } from './keeper.js'
import { conditionOf } from './supervisors.js'

/** Why a session is not free: what the store says of it, and what its holder's keeper does, where that can be asked. */
export async function why(keeper: Keeper, session: string): Promise<WhyFacts> {
  const seen = await lookAtSession(keeper, session)
  if (seen.holder === null || seen.doing !== null || seen.supervisor?.alive !== 'alive') return seen
  // The keeper may have had nothing to say since the run has just ended.
  const now = await keeper.store.holder(session)
  return now?.id === seen.holder.id ? seen : lookAtSession(keeper, session)
}

async function lookAtSession(keeper: Keeper, session: string): Promise<WhyFacts> {
  const { store } = keeper
  const [holder, waiters, queueLength, breaker, latest] = await Promise.all([
    store.holder(session),
    store.waiters(session),
    store.queueLength(session),
    store.breaker(session),
    store.runs({ session, limit: 2 }),
  ])
  const last = latest.find(({ outcome }) => outcome !== null) ?? null
  return { ...(await holderFacts(keeper, holder)), holder, waiters, queueLength, breaker, last }
}

async function holderFacts(
  keeper: Keeper,
  holder: StoredRun | null,
): Promise<Pick<WhyFacts, 'supervisor' | 'doing' | 'trees' | 'subagents'>> {
  if (holder === null) return { supervisor: null, doing: null, trees: [], subagents: [] }
  const { id, supervisor: record } = holder
  const [condition, doing, trees, subagents] = await Promise.all([
    conditionOf(keeper, record),
    doingAnywhere(keeper, id),
    keeper.store.trees(id),
    keeper.store.subagents(id),
  ])
  return {
    supervisor: { record, ...condition },
    doing,
    trees: trees.filter(({ end }) => end === null),
    subagents,
  }
}
