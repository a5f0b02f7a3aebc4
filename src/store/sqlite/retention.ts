/**
 * What is forgotten of old runs. A transcript is kept whole: the runs with entries or a draft, their endings among them. Of a
 * run that goes the one after it takes over what was before it, since a transcript is read from one to the one before.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Pruned, RetentionVerbs } from '../ending-contract.js'
import { allAs, as } from './rows.js'
import { isInInbox, isMilestone } from './schema.js'

type Retention = Parameters<RetentionVerbs['prune']>[0]

export function pruneVerb(database: DatabaseSync) {
  // What stays: what a transcript is made of, what leads to it, and the newest of all, so that no number is given twice.
  const slice = database.prepare(`
    SELECT r.seq, ifnull(r.session, 0) AS scope, r.session, r.turn, r.request,
      r.ended_at IS NOT NULL AND (r.ended_at < $before OR r.seq <= $upTo)
        AND ($isForgotten OR NOT EXISTS (SELECT 1 FROM outbox o WHERE o.run = r.seq)) AS old,
      ifnull(${isMilestone}, 0)
        OR r.seq = $newest
        OR EXISTS (SELECT 1 FROM entries e WHERE e.run = r.seq)
        OR EXISTS (SELECT 1 FROM drafts d WHERE d.run = r.seq)
        OR EXISTS (SELECT 1 FROM sessions s WHERE s.id = r.session AND s.last = r.seq) AS stays
    FROM runs r WHERE r.seq > $after ORDER BY r.seq LIMIT $limit`)
  // Where nobody ever told endings, the outbox would else grow for ever, for nobody.
  const teller = database.prepare('SELECT 1 FROM supervisors WHERE tells = 1 LIMIT 1')
  const forgetEnding = database.prepare('DELETE FROM outbox WHERE run = ?')
  const newest = database.prepare('SELECT max(seq) AS seq FROM runs')
  const forgetTrees = database.prepare('DELETE FROM trees WHERE run = ?')
  const forgetRun = database.prepare('DELETE FROM runs WHERE seq = ?')
  const forgetRequests = requestForgetting(database)
  const bridge = bridgeOver(database)

  return ({ before, number, after, limit }: Retention): Pruned => {
    const last = as<{ seq: number | null }>(newest.get())?.seq ?? 0
    const isForgotten = teller.get() === undefined ? 1 : 0
    const upTo = number === null ? 0 : last - number
    const rows = allAs<OldRun>(slice.all({ before, upTo, isForgotten, newest: last, after, limit }))
    const pruned = { runs: 0, requests: 0, trees: 0 }
    for (const run of rows) {
      if (run.old === 0) continue
      pruned.trees += Number(forgetTrees.run(run.seq).changes)
      if (isForgotten === 1) forgetEnding.run(run.seq)
      pruned.requests += forgetRequests(run)
      if (run.stays === 1) continue
      bridge(run)
      forgetRun.run(run.seq)
      pruned.runs += 1
    }
    const end = rows.at(-1)
    return { next: end === undefined || rows.length < limit ? null : end.seq, ...pruned }
  }
}

/** What a run was for, and what it was handed: unless another run has the request since, or is to have it. */
function requestForgetting(database: DatabaseSync) {
  const ofRun = database.prepare(`
    SELECT seq FROM requests WHERE session = ? AND id = ? AND run = ? AND state IN ('open', 'refused')
    UNION SELECT seq FROM requests WHERE run = ? AND ${isInInbox} AND state = 'done'`)
  const forgetPayload = database.prepare('DELETE FROM payloads WHERE request = ?')
  const forgetRequest = database.prepare('DELETE FROM requests WHERE seq = ?')

  return ({ seq: run, scope, request }: OldRun): number => {
    const found = allAs<{ seq: number }>(ofRun.all(scope, request, run, run))
    for (const { seq } of found) {
      forgetPayload.run(seq)
      forgetRequest.run(seq)
    }
    return found.length
  }
}

/** The run after it is found from the next milestone, as a transcript's reader finds its way. */
function bridgeOver(database: DatabaseSync) {
  const lead = database.prepare(`
    WITH RECURSIVE chain (seq, previous) AS (
      SELECT seq, previous FROM runs WHERE seq = ifnull(
        (SELECT seq FROM runs WHERE session = $session AND ${isMilestone} AND turn > $turn ORDER BY turn LIMIT 1),
        (SELECT last FROM sessions WHERE id = $session))
      UNION ALL
      SELECT r.seq, r.previous FROM chain c JOIN runs r ON r.seq = c.previous WHERE c.previous <> $seq
    )
    UPDATE runs SET previous = (SELECT previous FROM runs WHERE seq = $seq) WHERE seq = (SELECT seq FROM chain WHERE previous = $seq)`)

  return ({ seq, session, turn }: OldRun): void => {
    if (session !== null && turn !== null) lead.run({ seq, session, turn })
  }
}

interface OldRun {
  readonly seq: number
  /** Of its request. */
  readonly scope: number
  readonly session: number | null
  readonly turn: number | null
  readonly request: string | null
  readonly old: 0 | 1
  readonly stays: 0 | 1
}
