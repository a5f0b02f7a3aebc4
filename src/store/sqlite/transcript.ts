/**
 * A session's transcript: the entries of its runs in order of admission, each run's ending after its entries. An
 * ending is no row of its own: it is the run's row, which is how it can never be there without the other.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { TranscriptItem, TranscriptRange } from '../looking-contract.js'
import { type Place, placeOf, positionOf, start } from './positions.js'
import { allAs, as, endingOf, outcomeIfAny, type RunFacts } from './rows.js'
import { isMilestone, milestone } from './schema.js'

const limits = { usual: 1_000, most: 10_000, characters: 8 * 1024 * 1024 }

export function transcriptVerb(database: DatabaseSync) {
  const runsFrom = runsInOrder(database)
  const entries = database.prepare(`
    SELECT n, fence, at, body FROM entries
    WHERE run = ? AND n > ? ORDER BY n LIMIT ?`)
  const draftOf = database.prepare('SELECT body FROM drafts WHERE run = ?')

  return (session: string, range: TranscriptRange): TranscriptItem[] => {
    const after = range.after === undefined ? start : placeOf(range.after)
    const page = new Page(Math.min(range.limit ?? limits.usual, limits.most))
    for (const run of runsFrom(session, after, page.limit)) {
      const from = run.turn === after.turn ? after.n : start.n
      if (from === Number.POSITIVE_INFINITY) continue
      if (!addEntries(run, from, page) || !addEnding(run, page)) break
    }
    return page.items
  }

  function addEntries({ seq, id, turn }: TurnRow, from: number, page: Page): boolean {
    return allAs<EntryRow>(entries.all(seq, from, page.room)).every(({ n, fence, at, body }) =>
      page.add(body.length, () => ({
        position: positionOf(turn, n),
        run: id,
        fence,
        at,
        kind: 'entry',
        entry: JSON.parse(body),
      })),
    )
  }

  function addEnding(run: TurnRow, page: Page): boolean {
    const ending = endingOf(run.ending)
    const outcome = outcomeIfAny(run, () => ending)
    if (outcome === null || run.fence === null || run.ended_at === null) return true
    const { id, turn, fence, ended_at: at } = run
    const draft = as<{ body: string }>(draftOf.get(run.seq))?.body
    return page.add(draft?.length ?? 0, () => ({
      position: positionOf(turn, Number.POSITIVE_INFINITY),
      run: id,
      fence,
      at,
      kind: 'ending',
      outcome,
      draft: draft === undefined ? null : JSON.parse(draft),
      error: ending.error,
      calls: ending.calls ?? [],
    }))
  }
}

/** Runs of a session from the turn of `after` on, as many as a page can need: each but the last gives an item. */
function runsInOrder(database: DatabaseSync) {
  const sessionOf = database.prepare('SELECT id, last FROM sessions WHERE key = ?')
  const milestoneFrom = database.prepare(
    `SELECT seq FROM runs WHERE session = ? AND ${isMilestone} AND turn >= ? ORDER BY turn LIMIT 1`,
  )
  const backwards = database.prepare(`
    WITH RECURSIVE chain (seq, turn, previous) AS (
      SELECT seq, turn, previous FROM runs WHERE seq = $from
      UNION ALL
      SELECT r.seq, r.turn, r.previous FROM chain c JOIN runs r ON r.seq = c.previous WHERE c.turn > $turn
    )
    SELECT r.seq, r.turn, r.id, r.parent, r.request, r.state, r.cause, r.message, r.fence, r.ending,
      r.created_at, r.started_at, r.ended_at
    FROM chain c CROSS JOIN runs r ON r.seq = c.seq WHERE r.turn >= $turn ORDER BY r.turn`)

  return function* (session: string, { turn }: Place, limit: number): Generator<TurnRow> {
    const row = as<{ id: number; last: number | null }>(sessionOf.get(session))
    let from = turn
    while (row !== undefined && row.last !== null) {
      const later = as<{ seq: number }>(milestoneFrom.get(row.id, from + Math.min(limit, milestone)))?.seq
      const found = allAs<Omit<TurnRow, 'session'>>(backwards.all({ from: later ?? row.last, turn: from }))
      for (const run of found) yield { ...run, session }
      if (later === undefined) return
      from = (found.at(-1)?.turn ?? from) + 1
    }
  }
}

/** Items up to a number and a size; one is always taken, however large it is. */
class Page {
  readonly items: TranscriptItem[] = []
  readonly limit: number
  #characters = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get room(): number {
    return this.limit - this.items.length
  }

  /** False where the page is full. */
  add(characters: number, item: () => TranscriptItem): boolean {
    this.#characters += characters
    if (this.room <= 0 || (this.items.length > 0 && this.#characters > limits.characters)) return false
    this.items.push(item())
    return true
  }
}

interface TurnRow extends RunFacts {
  readonly seq: number
  readonly turn: number
  readonly ending: string | null
}

interface EntryRow {
  readonly n: number
  readonly fence: number
  readonly at: number
  readonly body: string
}
