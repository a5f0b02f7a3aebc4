/** The database refuses what the state table refuses, also to who writes past the store. */
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Cause, causes, refusals } from '#src/runs/causes.js'
import { isTerminal, type State, states } from '#src/runs/states.js'
import { storedTransitions } from '#src/runs/transitions.js'
import { openStore } from '#src/store/open.js'
import { Scene, temporaryFolder, tree } from './scene.ts'

async function rawDatabase(): Promise<DatabaseSync> {
  const path = join(await temporaryFolder(), 'coppice.db')
  await (await openStore(path)).close()
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  database.exec(`
    INSERT INTO supervisors VALUES (1, 's1', 'here', 1, '1', 'boot', '', NULL, 0, 0, 1, NULL, 8, 64, 0, NULL);
    INSERT INTO sessions (id, key) VALUES (1, 'k')`)
  return database
}

interface Columns {
  readonly state: State
  readonly cause: Cause | null
  /** Whether it has a fence, a turn and a start. */
  readonly admitted: boolean
  readonly ended: boolean
  readonly ending: boolean
}

function values({ state, cause, admitted, ended, ending }: Columns): Record<string, SQLInputValue> {
  const fence = admitted ? 1 : null
  const ends = { ended_at: ended ? 9 : null, ending: ending ? '{}' : null }
  return { state, cause, fence, turn: fence, started_at: fence, ...ends }
}

function every(): Columns[] {
  const booleans = [true, false]
  return states.flatMap((state) =>
    [null, ...causes].flatMap((cause) =>
      booleans.flatMap((admitted) =>
        booleans.flatMap((ended) => booleans.map((ending) => ({ state, cause, admitted, ended, ending }))),
      ),
    ),
  )
}

function insert(database: DatabaseSync, run: Record<string, SQLInputValue>): void {
  const row = { id: 'a', session: 1, supervisor: 1, priority: 0, created_at: 0, ...run }
  const names = Object.keys(row)
  prepared(database, `INSERT INTO runs (${names}) VALUES (${names.map(() => '?')})`).run(
    ...Object.values(row),
  )
}

function update(database: DatabaseSync, run: Record<string, SQLInputValue>): void {
  const assignments = Object.keys(run).map((name) => `${name} = ?`)
  prepared(database, `UPDATE runs SET ${assignments}`).run(...Object.values(run))
}

const statements = new WeakMap<DatabaseSync, Map<string, StatementSync>>()

/** Prepared once: there are some ten thousand attempts. */
function prepared(database: DatabaseSync, sql: string): StatementSync {
  const known = statements.get(database) ?? new Map<string, StatementSync>()
  statements.set(database, known)
  const statement = known.get(sql) ?? database.prepare(sql)
  known.set(sql, statement)
  return statement
}

/** A run that was admitted keeps its fence: a greater one is a takeover, and another matter. */
function valuesAfter(database: DatabaseSync, run: Columns): Record<string, SQLInputValue> {
  const { fence = null, turn = null, started_at = null, ...rest } = values(run)
  const before = database.prepare('SELECT fence FROM runs').get()
  return before?.fence === fence ? rest : { fence, turn, started_at, ...rest }
}

/** Whether it can be written after what came `before`; nothing of it stays. */
function isAllowed(
  database: DatabaseSync,
  write: () => void,
  before: ReadonlyArray<() => void> = [],
): boolean {
  database.exec('BEGIN')
  for (const step of before) step()
  try {
    write()
    database.exec('ROLLBACK')
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_SQLITE_ERROR' })
    endTransaction(database)
    return false
  }
}

/** A guard's refusal has rolled it back already; what another constraint refuses leaves it open. */
function endTransaction(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK')
  } catch (error) {
    expect(error).toMatchObject({ message: expect.stringContaining('no transaction is active') })
  }
}

describe('P2, P5: the database itself', () => {
  it('lets a run begin waiting or running, or be refused at once, only', async () => {
    const database = await rawDatabase()
    const allowed = every().filter((run) => isAllowed(database, () => insert(database, values(run))))
    expect(allowed).toEqual([
      { state: 'waiting', cause: null, admitted: false, ended: false, ending: false },
      { state: 'running', cause: null, admitted: true, ended: false, ending: false },
      ...refusals.map((cause) => ({ state: 'refused', cause, admitted: false, ended: true, ending: false })),
    ])
  })

  it('lets exactly the stored transitions be written, and nothing of a terminal run', async () => {
    const database = await rawDatabase()
    const seen = new Set<string>()
    for (const from of reachable(database)) {
      for (const to of every()) {
        let state: unknown
        const look = () => {
          state = prepared(database, 'SELECT state FROM runs').get()?.state
        }
        const step = () => update(database, valuesAfter(database, to))
        if (isAllowed(database, step, [...from, look])) seen.add(`${state} ${to.state}`)
      }
    }
    const unfinished = states.filter((state) => !isTerminal(state)).map((state) => `${state} ${state}`)
    const pairs = storedTransitions().map((pair) => pair.join(' '))
    expect([...seen].sort()).toEqual([...unfinished, ...pairs].sort())
  })

  it('holds a session for at most one live run, and none for a terminal one', async () => {
    const database = await rawDatabase()
    const running = values({ state: 'running', cause: null, admitted: true, ended: false, ending: false })
    insert(database, running)
    expect(() => insert(database, { ...running, id: 'b', fence: 2, turn: 2 })).toThrow('UNIQUE')
    expect(() => update(database, { ended_at: 9, ending: '{}' })).toThrow('CHECK')
    expect(() => update(database, { state: 'succeeded', cause: 'returned' })).toThrow('CHECK')
    update(database, { state: 'succeeded', cause: 'returned', ended_at: 9, ending: '{}' })
    insert(database, { ...running, id: 'b', fence: 2, turn: 2 })
    expect(database.prepare(`SELECT id FROM runs WHERE state IN ('running', 'stopping')`).all()).toEqual([
      { id: 'b' },
    ])
  })

  it('lets fences grow only, of sessions and of runs', async () => {
    const database = await rawDatabase()
    insert(database, values({ state: 'running', cause: null, admitted: true, ended: false, ending: false }))
    update(database, { fence: 3 })
    expect(database.prepare('SELECT fence, last FROM sessions').get()).toEqual({ fence: 3, last: 1 })
    expect(() => update(database, { fence: 3 })).toThrow('a fence only grows')
    expect(() => update(database, { fence: 2 })).toThrow('a fence only grows')
    expect(() => database.exec('UPDATE sessions SET fence = 2')).toThrow('a fence only grows')
    update(database, { state: 'failed', cause: 'threw', ended_at: 9, ending: '{}' })
    const again = values({ state: 'running', cause: null, admitted: true, ended: false, ending: false })
    expect(() => insert(database, { ...again, id: 'b', fence: 3, turn: 3 })).toThrow('a fence only grows')
  })

  it('keeps the first cause, the turn and the identity of a run', async () => {
    const database = await rawDatabase()
    insert(database, values({ state: 'running', cause: null, admitted: true, ended: false, ending: false }))
    update(database, { state: 'stopping', cause: 'timed_out' })
    expect(() => update(database, { cause: 'cancelled' })).toThrow('the first cause stays')
    const end = { ended_at: 9, ending: '{}' }
    expect(() => update(database, { state: 'succeeded', cause: 'returned', ...end })).toThrow('first cause')
    expect(() => update(database, { state: 'succeeded', ...end })).toThrow('CHECK')
    expect(() => update(database, { turn: 0 })).toThrow('a turn never changes')
    expect(() => update(database, { id: 'z' })).toThrow('a run stays itself')
    update(database, { state: 'timed_out', ...end })
  })

  it('P6: takes nothing for a run that has ended, and ends its trees with it', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'coppice.db')
    const scene = new Scene(await openStore(path), folder)
    await scene.supervisor('s1')
    const hold = await scene.hold('a', 'k')
    await scene.append(hold, 0, 'an entry')
    await scene.store.draft(hold, '"a draft"')
    await scene.store.treeLaunched(hold, tree('left'))
    await scene.finish(hold)
    await scene.store.close()
    const database = new DatabaseSync(path)
    onTestFinished(() => database.close())
    expect(database.prepare('SELECT count(*) AS n FROM trees WHERE ended_at IS NULL').get()).toEqual({ n: 0 })
    for (const late of [
      `INSERT INTO entries (run, n, fence, at, body) VALUES (1, 1, 1, 1, '"late"')`,
      `UPDATE entries SET body = '"other"'`,
      'DELETE FROM entries',
      `UPDATE drafts SET body = '"other"'`,
      'DELETE FROM drafts',
      `INSERT INTO trees (run, id, command, containment, pid, start_time, boot_id, pid_namespace, launched_at)
       VALUES (1, 'late', '[]', 'guard', 1, '1', 'boot', '', 1)`,
      `UPDATE runs SET message = 'other'`,
      `UPDATE runs SET state = 'running', cause = NULL, ended_at = NULL, ending = NULL`,
    ]) {
      expect(
        isAllowed(database, () => database.exec(late)),
        late,
      ).toBe(false)
    }
  })

  it('P8: forgets no run that has not ended or is not told, no pending request, and no place in a transcript', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'coppice.db')
    const scene = new Scene(await openStore(path), folder)
    await scene.supervisor('s1')
    for (let run = 0; run < 4; run++) await scene.pass('k')
    await scene.hold('live', 'l')
    await scene.finish(await scene.hold('untold', 'm', { request: { id: 'q', payload: '{}' } }), {
      cause: 'lost',
    })
    await scene.store.close()
    const database = new DatabaseSync(path)
    onTestFinished(() => database.close())
    for (const late of [
      "DELETE FROM runs WHERE id = 'live'",
      "DELETE FROM runs WHERE id = 'untold'",
      'DELETE FROM payloads; DELETE FROM requests',
      'UPDATE runs SET previous = NULL WHERE turn = 3',
      'UPDATE runs SET previous = 1, message = 1, state = previous WHERE turn = 3',
    ]) {
      expect(
        isAllowed(database, () => database.exec(late)),
        late,
      ).toBe(false)
    }
    // What retention does: the run before it goes, and the one before that takes its place.
    const bridge = 'UPDATE runs SET previous = 1 WHERE seq = 3; DELETE FROM runs WHERE seq = 2'
    expect(isAllowed(database, () => database.exec(bridge))).toBe(true)
  })

  /** Steps to each state that a run can be in, by each way. */
  function reachable(database: DatabaseSync): Array<Array<() => void>> {
    const wait = () =>
      insert(
        database,
        values({ state: 'waiting', cause: null, admitted: false, ended: false, ending: false }),
      )
    const run = () =>
      insert(database, values({ state: 'running', cause: null, admitted: true, ended: false, ending: false }))
    const ways: Array<Array<() => void>> = [[wait], [run]]
    for (const start of [wait, run]) {
      for (const to of every()) {
        const step = () => update(database, valuesAfter(database, to))
        if (isAllowed(database, step, [start])) ways.push([start, step])
      }
    }
    return ways
  }
})
