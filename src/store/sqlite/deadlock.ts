/**
 * Waits that only each other's ends could end. A run holds its session until its subagents have ended, so it waits, in
 * effect, for whatever they wait for; a ring of such waits would last until a bound breaks it.
 */
import type { DatabaseSync } from 'node:sqlite'
import { allAs, as } from './rows.js'
import { isLive } from './schema.js'

/** One run that waits for a session, and the run that holds it. */
export interface Wait {
  readonly run: string
  readonly session: string
  readonly holder: string
}

/**
 * Finds the ring that a run would close that waits for `session`: from the run itself to the holder that is an ancestor
 * of it. Null where there is none, as for every run without a parent: nobody waits for its end.
 */
export function ringFinder(database: DatabaseSync) {
  const parentOf = database.prepare('SELECT parent FROM runs WHERE id = ?')
  const holderOf = database.prepare(`
    SELECT h.id FROM runs h WHERE h.session = (SELECT id FROM sessions WHERE key = ?) AND h.${isLive}`)
  const childrenOf = database.prepare(`
    SELECT c.id, c.state, s.key AS session FROM runs c LEFT JOIN sessions s ON s.id = c.session
    WHERE c.parent = ? AND c.ended_at IS NULL`)

  return (run: string, session: string, parent: string | null): readonly Wait[] | null => {
    if (parent === null) return null
    const line = new Set(ancestors(parent))
    const seen = new Set<string>()
    return ringFrom(run, session)

    function ringFrom(waiter: string, wanted: string): readonly Wait[] | null {
      const holder = as<{ id: string }>(holderOf.get(wanted))?.id
      if (holder === undefined || seen.has(holder)) return null
      const wait = { run: waiter, session: wanted, holder }
      if (line.has(holder)) return [wait]
      seen.add(holder)
      for (const below of waitersBelow(holder)) {
        const rest = ringFrom(below.id, below.session)
        if (rest !== null) return [wait, ...rest]
      }
      return null
    }
  }

  function* ancestors(parent: string): Generator<string> {
    for (let next: string | null = parent; next !== null; ) {
      yield next
      next = as<{ parent: string | null }>(parentOf.get(next))?.parent ?? null
    }
  }

  function* waitersBelow(run: string): Generator<{ id: string; session: string }> {
    for (const { id, state, session } of allAs<ChildRow>(childrenOf.all(run))) {
      if (state === 'waiting' && session !== null) yield { id, session }
      else yield* waitersBelow(id)
    }
  }
}

export function describeRing(ring: readonly Wait[]): string {
  const [first] = ring
  const waits = ring.map(({ run, session, holder }) => `${run} waits for ${session}, held by ${holder}`)
  return `${waits.join('; ')}, which cannot end before ${first?.run ?? 'it'} has`
}

interface ChildRow {
  readonly id: string
  readonly state: string
  readonly session: string | null
}
