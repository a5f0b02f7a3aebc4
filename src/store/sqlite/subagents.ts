/** How many subagents a run may have, and how deep below the first of its family. */
import type { DatabaseSync } from 'node:sqlite'
import { describeSubagentLimit, type SubagentLimit } from '../../runs/subagents.js'
import type { Admission, Refused } from '../admission-contract.js'
import { refuseVerb } from './refusal.js'
import { as } from './rows.js'

/** Longer lines are not followed; no limit is greater than what they say. */
const longestLine = 10_000

/**
 * The limits are those of the supervisors that the ancestors are of, the smallest depth of them all: a `coppice run` in a
 * tree is a supervisor of its own, and would else begin to count anew.
 */
export function subagentCheck(database: DatabaseSync) {
  const refuse = refuseVerb(database)
  const lineOf = database.prepare(`
    WITH RECURSIVE line (parent, depth, most) AS (
      SELECT r.parent, 0, v.most_depth FROM runs r JOIN supervisors v ON v.seq = r.supervisor WHERE r.id = ?
      UNION ALL
      SELECT r.parent, depth + 1, v.most_depth
      FROM line l CROSS JOIN runs r ON r.id = l.parent JOIN supervisors v ON v.seq = r.supervisor
      WHERE depth < ${longestLine}
    )
    SELECT max(depth) AS count, min(most) AS most FROM line`)
  const childrenOf = database.prepare(`
    SELECT v.most_subagents AS most, (
      SELECT count(*) FROM runs c INDEXED BY children WHERE c.parent = r.id AND c.ended_at IS NULL
    ) AS count
    FROM runs r JOIN supervisors v ON v.seq = r.supervisor WHERE r.id = ?`)
  const isStored = database.prepare('SELECT 1 FROM runs WHERE id = ?')

  /** Null where it may be admitted, or is stored already. */
  return (admission: Admission, parent: string): Refused | null => {
    const limit = reached('depth', lineOf.get(parent)) ?? reached('atOnce', childrenOf.get(parent))
    if (limit === null || isStored.get(admission.run) !== undefined) return null
    return refuse(admission, 'subagent_limit', describeSubagentLimit(parent, limit), { limit })
  }
}

function reached(name: SubagentLimit['name'], row: Parameters<typeof as>[0]): SubagentLimit | null {
  const found = as<{ most: number | null; count: number }>(row)
  if (found === undefined || found.most === null || found.count < found.most) return null
  return { name, most: found.most, count: found.count }
}
