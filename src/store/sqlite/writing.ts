/** What a run writes while it holds its session: entries, its draft, its trees. */
import type { DatabaseSync } from 'node:sqlite'
import { CoppiceError } from '../../errors.js'
import type { EntryRecord, Hold, TreeEnded, TreeLaunched } from '../records.js'
import { callWriter } from './calls.js'
import { holdCheck, holding, isHeld } from './holds.js'
import { positionOf } from './positions.js'
import type { RememberedRuns } from './remembered.js'
import { as } from './rows.js'

export function writingVerbs(database: DatabaseSync, remembered: RememberedRuns) {
  const refuseUnlessHeld = holdCheck(database)
  return {
    ...transcriptWrites(database, remembered, refuseUnlessHeld),
    ...treeWrites(database, remembered, refuseUnlessHeld),
  }
}

function transcriptWrites(
  database: DatabaseSync,
  remembered: RememberedRuns,
  refuseUnlessHeld: (hold: Hold) => void,
) {
  const calls = callWriter(database)
  const insertEntry = database.prepare(`
    INSERT INTO entries (run, n, fence, at, body) SELECT seq, ?, fence, ?, ? FROM runs WHERE ${isHeld}
    ON CONFLICT (run, n) DO NOTHING
    RETURNING (SELECT turn FROM runs WHERE seq = entries.run) AS turn`)
  const entryBefore = database.prepare(`
    SELECT r.turn, e.body FROM runs r JOIN entries e ON e.run = r.seq WHERE r.id = ? AND e.n = ?`)
  const upsertDraft = database.prepare(`
    INSERT INTO drafts (run, body) SELECT seq, ? FROM runs WHERE ${isHeld}
    ON CONFLICT (run) DO UPDATE SET body = excluded.body`)
  const deleteDraft = database.prepare(
    `DELETE FROM drafts WHERE run = (SELECT seq FROM runs WHERE ${isHeld})`,
  )

  const setWaits = database.prepare(`UPDATE runs SET waits = ? WHERE ${isHeld}`)

  return {
    append(hold: Hold, entry: EntryRecord): string {
      const { index, body, at } = entry
      const written = as<{ turn: number }>(insertEntry.get(index, at, body, ...holding(hold)))
      if (written !== undefined) {
        if (entry.calls !== undefined) remembered.calls(hold.run)
        calls.ofEntry(hold.run, entry)
        return positionOf(written.turn, index)
      }
      const before = as<{ turn: number; body: string }>(entryBefore.get(hold.run, index))
      // Found before the hold is looked at: an append that was stored is answered so, also when the run ended since.
      if (before?.body === body) return positionOf(before.turn, index)
      refuseUnlessHeld(hold)
      throw new CoppiceError(
        'invalid_option',
        `entry ${index} of run ${hold.run} is stored with another body`,
        {
          run: hold.run,
        },
      )
    },
    draft(hold: Hold, draft: string | null): void {
      const { changes } =
        draft === null ? deleteDraft.run(...holding(hold)) : upsertDraft.run(draft, ...holding(hold))
      if (changes === 0) refuseUnlessHeld(hold)
    },
    waits(hold: Hold, waits: string | null): void {
      if (setWaits.run(waits, ...holding(hold)).changes === 0) refuseUnlessHeld(hold)
    },
    check: refuseUnlessHeld,
  }
}

function treeWrites(
  database: DatabaseSync,
  remembered: RememberedRuns,
  refuseUnlessHeld: (hold: Hold) => void,
) {
  const insertTree = database.prepare(`
    INSERT INTO trees (run, id, command, containment, pid, start_time, boot_id, pid_namespace, launched_at, call)
    SELECT seq, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM runs WHERE ${isHeld}
    ON CONFLICT (run, id) DO NOTHING`)
  const calls = callWriter(database)
  const endTree = database.prepare(`
    UPDATE trees SET ended_at = ?, code = ?, signal = ?, ended = ?, proof = ?, survivors = ?
    WHERE run = (SELECT seq FROM runs WHERE ${isHeld}) AND id = ? AND ended_at IS NULL`)
  const treeBefore = database.prepare(`
    SELECT t.ended_at FROM runs r JOIN trees t ON t.run = r.seq WHERE r.id = ? AND t.id = ?`)

  return {
    treeLaunched(hold: Hold, { tree, command, containment, root, call = null, at }: TreeLaunched): void {
      const { pid, startTime, bootId, pidNamespace } = root
      const row = [tree, command, containment, pid, startTime, bootId, pidNamespace, at, call]
      remembered.launched(hold.run)
      if (call !== null) remembered.calls(hold.run)
      if (insertTree.run(...row, ...holding(hold)).changes > 0) {
        if (call !== null) calls.ofTree(hold.run, call)
        return
      }
      if (treeBefore.get(hold.run, tree) === undefined) refuseUnlessHeld(hold)
    },
    treeEnded(hold: Hold, { tree, code, signal, ended, proof, survivors, at }: TreeEnded): void {
      const row = [at, code, signal, ended, proof, JSON.stringify(survivors)]
      if (endTree.run(...row, ...holding(hold), tree).changes > 0) return
      // The first end stands. It may be the run's own, which ends its trees with it: then the hold is gone as well.
      refuseUnlessHeld(hold)
      if (treeBefore.get(hold.run, tree) !== undefined) return
      throw new CoppiceError('invalid_option', `tree ${tree} was never launched by run ${hold.run}`, {
        run: hold.run,
      })
    },
  }
}
