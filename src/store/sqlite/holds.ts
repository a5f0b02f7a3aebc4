import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import { isTerminal, type State } from '../../runs/states.js'
import type { Hold } from '../records.js'
import { as } from './rows.js'
import { isLive } from './schema.js'

/** A condition on a row of `runs` that its hold is good; `holding` gives its parameters. */
export const isHeld = `runs.id = ? AND runs.${isLive} AND runs.fence = ? AND runs.supervisor = (SELECT seq FROM supervisors WHERE id = ?)`

export function holding({ run, fence, supervisor }: Hold): [string, number, string] {
  return [run, fence, supervisor]
}

/** Answers for a hold after a write under `isHeld` changed nothing: it throws where that was because of the hold. */
export function holdCheck(database: DatabaseSync) {
  const holder = database.prepare(`
    SELECT r.state, r.message, r.fence, v.id AS owner, s.key AS session
    FROM runs r JOIN supervisors v ON v.seq = r.supervisor LEFT JOIN sessions s ON s.id = r.session
    WHERE r.id = ?`)

  return (hold: Hold): void => {
    const { run } = hold
    const row = as<HolderRow>(holder.get(run))
    if (row === undefined) throw new CoppiceError('run_lost', `run ${run} is not in the store`, { run })
    const { state, message, fence, owner, session } = row
    const isOurs = owner === hold.supervisor && fence === hold.fence
    if (isTerminal(state)) {
      // Whoever has it taken away hears that, also where the taker was faster with its end than the loser with its call.
      const code = isOurs || fence === null ? 'run_ended' : 'run_lost'
      const why = message === null ? '' : `: ${message}`
      throw new CoppiceError(code, `run ${run} has ended as ${state}${why}`, { run, session })
    }
    if (isOurs) return
    const now = fence === null ? 'waits for its session' : `is held by ${owner} with fence ${fence}`
    throw new CoppiceError(
      'run_lost',
      `run ${run} ${now}, and not by ${hold.supervisor} with ${hold.fence}`,
      {
        run,
        session,
      },
    )
  }
}

interface HolderRow {
  readonly state: State
  readonly message: string | null
  readonly fence: number | null
  readonly owner: string
  readonly session: string | null
}
