/** What a store tells of its sessions and trees. Each answer is bounded, and read from one committed state. */
import type { DatabaseSync } from 'node:sqlite'
import type { State } from '../../runs/states.js'
import type { EntryMark, StoredSession } from '../looking-contract.js'
import type { StoredRun, StoredTree } from '../records.js'
import { parseBreaker } from './breaker.js'
import { finder } from './finding.js'
import { allAs, as, type RunRow, selectRun, storedRun, storedTree, type TreeRow } from './rows.js'
import { isLive } from './schema.js'

const mostSessions = 10_000
const mostTrees = 10_000
const mostSubagents = 10_000
const mostMarks = 1_000

export function readingVerbs(database: DatabaseSync) {
  const { findIfAny } = finder(database)
  const treesOf = database.prepare(`
    SELECT t.* FROM trees t WHERE t.run = (SELECT seq FROM runs WHERE id = ?) ORDER BY t.seq LIMIT ?`)
  const subagentsOf = database.prepare(`
    ${selectRun.replace('FROM runs r', 'FROM runs r INDEXED BY children')}
    WHERE r.parent = ? AND r.ended_at IS NULL ORDER BY r.seq LIMIT ?`)
  // A body of the host's may be any JSON value, of which only an object has keys.
  const marksOf = database.prepare(`
    SELECT n AS "index", at, length(body) AS characters,
      CASE WHEN substr(body, 1, 12) = '{"coppice":"' THEN body ->> '$.coppice' END AS coppice
    FROM entries WHERE run = (SELECT seq FROM runs WHERE id = ?) ORDER BY n LIMIT ?`)
  const holderOf = database.prepare(`${selectRun} WHERE s.key = ? AND r.${isLive}`)
  // Those that are held come first: where there are more than can be told, the idle ones are left out.
  const sessions = database.prepare(`
    SELECT s.key, s.fence, s.breaker, r.id, r.state, r.started_at,
      (SELECT count(*) FROM runs w WHERE w.session = s.id AND w.state = 'waiting') AS waiting
    FROM sessions s LEFT JOIN runs r ON r.session = s.id AND r.${isLive}
    ORDER BY r.id IS NULL, s.key LIMIT ?`)

  // Of the commits of other connections (https://www.sqlite.org/pragma.html#pragma_data_version).
  const version = database.prepare('PRAGMA data_version')

  return {
    run: findIfAny,
    version: (): unknown => version.get()?.data_version,
    trees(run: string): StoredTree[] {
      return allAs<TreeRow>(treesOf.all(run, mostTrees)).map(storedTree)
    },
    entryMarks(run: string): EntryMark[] {
      return allAs<EntryMark>(marksOf.all(run, mostMarks)).map((mark) => ({ ...mark }))
    },
    subagents(run: string): StoredRun[] {
      return allAs<RunRow>(subagentsOf.all(run, mostSubagents)).map(storedRun)
    },
    holder(session: string): StoredRun | null {
      const row = as<RunRow>(holderOf.get(session))
      return row === undefined ? null : storedRun(row)
    },
    sessions(): StoredSession[] {
      return allAs<SessionRow>(sessions.all(mostSessions)).map(storedSession)
    },
  }
}

interface SessionRow {
  readonly key: string
  readonly fence: number
  readonly breaker: string | null
  readonly id: string | null
  readonly state: State | null
  readonly started_at: number | null
  readonly waiting: number
}

function storedSession({
  key: session,
  fence,
  id: run,
  state,
  started_at: since,
  waiting,
  breaker,
}: SessionRow): StoredSession {
  const holder = run === null || state === null || since === null ? null : { run, state, since }
  return { session, fence, holder, waiting, breaker: parseBreaker(breaker) }
}
