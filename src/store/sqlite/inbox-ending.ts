/**
 * What the end of a run makes of the messages that it was handed: those that are through end with it; the others are the
 * next run's, where the same transaction admits one, and else pending. In both they keep their order, which is that in
 * which they came first.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isInInbox } from './schema.js'

export function inboxEnding(database: DatabaseSync) {
  const through = database.prepare(
    "UPDATE requests SET state = 'done' WHERE run = ? AND id = ? AND state = 'taken'",
  )
  const isLeft = `${isInInbox} AND state <> 'done'`
  const hand = database.prepare(`
    UPDATE requests INDEXED BY inbox SET run = (SELECT seq FROM runs WHERE id = ?), state = 'delivered', place = NULL
    WHERE run = ? AND ${isLeft} AND tries < max_tries`)
  const leave = database.prepare(`
    UPDATE requests INDEXED BY inbox SET state = 'pending', again = 1, place = NULL WHERE run = ? AND ${isLeft}`)
  const openInbox = database.prepare('UPDATE runs SET inbox = 1 WHERE id = ? AND inbox IS NULL')

  return {
    /** Before the ending is read; `ids` are those that are through because the callback returned. */
    settle(run: number, ids: readonly string[]): void {
      for (const id of ids) through.run(run, id)
    },
    /** `next` is the run that has the session now. One that was tried as often as it may be is no run's any more. */
    leave(run: number, next: string | null): void {
      if (next !== null && hand.run(next, run).changes > 0) openInbox.run(next)
      leave.run(run)
    },
  }
}
