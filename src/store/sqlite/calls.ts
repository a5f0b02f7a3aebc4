/** The calls of a model: which have no result in the transcript, and what became of the commands that were launched for them. */
import type { DatabaseSync } from 'node:sqlite'
import type { Cause } from '../../runs/causes.js'
import type { UnfinishedCall } from '../ending-contract.js'
import type { EntryRecord } from '../records.js'
import { allAs } from './rows.js'

export function callWriter(database: DatabaseSync) {
  const open = database.prepare(`
    INSERT INTO calls (run, id, entry) VALUES (?, ?, ?) ON CONFLICT (run, id) DO UPDATE SET entry = max(entry, excluded.entry)`)
  const answer = database.prepare('DELETE FROM calls WHERE run = ? AND id = ?')
  const numberOf = database.prepare('SELECT seq FROM runs WHERE id = ?')

  return {
    ofEntry(run: string, { calls = [], results = [] }: EntryRecord): void {
      if (calls.length === 0 && results.length === 0) return
      const { seq } = numberOf.get(run) as { seq: number }
      for (const id of calls) open.run(seq, id, 1)
      for (const id of results) answer.run(seq, id)
    },
    ofTree(run: string, id: string): void {
      const { seq } = numberOf.get(run) as { seq: number }
      open.run(seq, id, 0)
    },
  }
}

/**
 * What a run's ending says of them. Of those that no entry made the store knows no result: where the callback returned, it
 * has had those of commands that ended by themselves.
 */
export function callsEnder(database: DatabaseSync) {
  const unfinished = database.prepare(`
    SELECT c.id, c.entry, t.ended, t.code, t.signal
    FROM calls c LEFT JOIN trees t ON t.run = c.run AND t.call = c.id WHERE c.run = ? ORDER BY c.rowid, t.seq`)
  const forget = database.prepare('DELETE FROM calls WHERE run = ?')

  return (run: number, cause: Cause): readonly UnfinishedCall[] => {
    const rows = allAs<CallRow>(unfinished.all(run))
    if (rows.length === 0) return []
    forget.run(run)
    const calls = new Map<string, UnfinishedCall>()
    for (const { id, entry, ended, code, signal } of rows) {
      if (cause === 'returned' && entry === 0 && ended === 'exited') continue
      // A command that was tried again: its last end is the one.
      calls.set(id, { callId: id, exec: ended === null ? null : { ended, code, signal } })
    }
    return [...calls.values()]
  }
}

interface CallRow {
  readonly id: string
  readonly entry: 0 | 1
  readonly ended: string | null
  readonly code: number | null
  readonly signal: string | null
}
