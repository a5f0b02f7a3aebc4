/**
 * The schema. What the state table refuses the database refuses too, whoever writes: the lists in it are
 * generated from `runs/`, and a run's own row is lock and ending at once, so that a terminal run with a held lock
 * has no place where it could be written.
 */
import { type Cause, causes, endings } from '../../runs/causes.js'
import { isTerminal, liveStates, type State, states } from '../../runs/states.js'
import { storedTransitions, transitions } from '../../runs/transitions.js'

/** `PRAGMA application_id`: "copp". It tells coppice's files from other programs' SQLite files. */
export const applicationId = 0x63_6f_70_70

/** `PRAGMA user_version`. A file with a greater one was written by a later coppice, and is left alone. */
export const schemaVersion = 1

/** Condition of the lock's index; a query has to repeat it word by word for SQLite to use the index. */
export const isLive = `state IN (${liveStates.map(quoted).join(', ')})`

/**
 * One run in so many turns of a session is indexed. With all of them, each admission would dirty a page of its
 * own and a commit shared by 256 sessions would write a megabyte; from a milestone, `previous` leads on.
 */
export const milestone = 64

export const isMilestone = `turn % ${milestone} = 0`

export function schema(): string {
  return [tables(), indexes, consequences(), refusals()].join('\n')
}

function tables(): string {
  return `
    CREATE TABLE supervisors (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      host TEXT NOT NULL,
      pid INTEGER NOT NULL,
      start_time TEXT NOT NULL,
      boot_id TEXT NOT NULL,
      pid_namespace TEXT NOT NULL,
      socket TEXT,
      started_at INTEGER NOT NULL,
      renewed_at INTEGER NOT NULL,
      ttl INTEGER NOT NULL,
      closed_at INTEGER
    ) STRICT;

    -- fence: of the last acquisition; last: the run that made it
    CREATE TABLE sessions (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL UNIQUE,
      fence INTEGER NOT NULL DEFAULT 0,
      last INTEGER
    ) STRICT;

    -- turn: the fence of the first admission, which orders the transcript and outlives a takeover
    -- previous: the run that had the session before; no foreign key, which would read a page of long ago
    CREATE TABLE runs (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      session INTEGER REFERENCES sessions (id),
      supervisor INTEGER NOT NULL REFERENCES supervisors (seq),
      priority INTEGER NOT NULL,
      state TEXT NOT NULL,
      cause TEXT,
      fence INTEGER,
      turn INTEGER,
      previous INTEGER,
      created_at INTEGER NOT NULL,
      started_at INTEGER,
      stopping_at INTEGER,
      ended_at INTEGER,
      stop_grace INTEGER,
      parent TEXT,
      request TEXT,
      labels TEXT,
      message TEXT,
      ending TEXT,
      CHECK (CASE state ${usualFirst(states)
        .map((state) => `WHEN ${quoted(state)} THEN ${rowIn(state)}`)
        .join(' ')} ELSE 0 END),
      CHECK ((fence IS NULL) = (turn IS NULL) AND (fence IS NULL) = (started_at IS NULL) AND ifnull(fence >= turn, 1)),
      CHECK ((ending IS NULL) = (ended_at IS NULL OR fence IS NULL))
    ) STRICT;

    -- Payloads and drafts may be large: in the run's row, each change of its state would write them again.
    CREATE TABLE requests (run INTEGER PRIMARY KEY REFERENCES runs (seq), payload TEXT NOT NULL) STRICT;
    CREATE TABLE drafts (run INTEGER PRIMARY KEY REFERENCES runs (seq), body TEXT NOT NULL) STRICT;

    CREATE TABLE entries (
      seq INTEGER PRIMARY KEY,
      run INTEGER NOT NULL REFERENCES runs (seq),
      n INTEGER NOT NULL,
      fence INTEGER NOT NULL,
      at INTEGER NOT NULL,
      body TEXT NOT NULL,
      UNIQUE (run, n)
    ) STRICT;

    CREATE TABLE trees (
      seq INTEGER PRIMARY KEY,
      run INTEGER NOT NULL REFERENCES runs (seq),
      id TEXT NOT NULL,
      command TEXT NOT NULL,
      containment TEXT NOT NULL,
      pid INTEGER NOT NULL,
      start_time TEXT NOT NULL,
      boot_id TEXT NOT NULL,
      pid_namespace TEXT NOT NULL,
      launched_at INTEGER NOT NULL,
      ended_at INTEGER,
      code INTEGER,
      signal TEXT,
      ended TEXT,
      proof TEXT,
      survivors TEXT,
      UNIQUE (run, id),
      CHECK ((ended_at IS NULL) = (ended IS NULL) AND (ended_at IS NULL) = (proof IS NULL))
    ) STRICT;`
}

const indexes = `
  -- The lock: at most one live run of a session. It has no entry for a run that is not live, so it stays small.
  CREATE UNIQUE INDEX lock ON runs (session) WHERE ${isLive};
  CREATE INDEX queue ON runs (session, priority) WHERE state = 'waiting';
  CREATE INDEX never_admitted ON runs (session) WHERE turn IS NULL AND ended_at IS NOT NULL;
  CREATE INDEX milestones ON runs (session, turn) WHERE ${isMilestone};
  CREATE INDEX open_supervisors ON supervisors (seq) WHERE closed_at IS NULL;`

/** What belongs to an acquisition is done by the statement that makes it, and cannot be left out. */
function consequences(): string {
  return `
    CREATE TRIGGER inserted AFTER INSERT ON runs BEGIN
      SELECT ${raise(`NOT ${anyOf('NEW.state', ['waiting', 'running'])}`, 'a run begins waiting or running')};
      UPDATE sessions SET fence = NEW.fence, last = NEW.seq WHERE id = NEW.session AND NEW.fence IS NOT NULL;
    END;
    CREATE TRIGGER acquired AFTER UPDATE OF fence ON runs BEGIN
      UPDATE sessions SET fence = NEW.fence, last = iif(OLD.turn IS NULL, NEW.seq, last)
      WHERE id = NEW.session AND NEW.fence IS NOT NULL;
    END;`
}

/** One trigger for each kind of statement, and none with a WHEN: each trigger costs every run a microsecond. */
function refusals(): string {
  return [
    refuse('UPDATE ON runs', {
      'a terminal run never changes': 'OLD.ended_at IS NOT NULL',
      'no such transition': `NOT CASE OLD.state ${nextStates()} ELSE 0 END`,
      'the first cause stays': 'OLD.cause IS NOT NULL AND NEW.cause IS NOT OLD.cause',
      'its trees end with a run':
        'NEW.ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM trees WHERE run = OLD.seq AND ended_at IS NULL)',
    }),
    refuse('UPDATE OF fence, turn, previous ON runs', {
      'a turn never changes':
        'OLD.turn IS NOT NULL AND (NEW.turn IS NOT OLD.turn OR NEW.previous IS NOT OLD.previous)',
      'a fence only grows': 'ifnull(NEW.fence <= OLD.fence, OLD.fence IS NOT NULL)',
    }),
    refuse('UPDATE OF seq, id, session, parent, request, created_at ON runs', { 'a run stays itself': '1' }),
    refuse('UPDATE OF fence ON sessions', { 'a fence only grows': 'NEW.fence <= OLD.fence' }),
    refuse('UPDATE ON entries', { 'an entry never changes': '1' }),
    refuse('DELETE ON entries', { 'an entry never changes': '1' }),
    ...['INSERT ON entries', 'INSERT ON drafts', 'UPDATE ON drafts', 'INSERT ON trees'].map((statement) =>
      refuse(statement, { 'the run has ended': hasEnded('NEW.run') }),
    ),
    refuse('DELETE ON drafts', { 'the run has ended': hasEnded('OLD.run') }),
  ].join('\n')
}

function refuse(statement: string, reasons: Record<string, string>): string {
  const name = `refuse ${statement.toLowerCase()}`
  return `CREATE TRIGGER "${name}" BEFORE ${statement} BEGIN
    ${Object.entries(reasons)
      .map(([message, condition]) => `SELECT ${raise(condition, message)};`)
      .join('\n')}
  END;`
}

function raise(condition: string, message: string): string {
  return `CASE WHEN ${condition} THEN RAISE(ABORT, ${quoted(message)}) END`
}

function hasEnded(run: string): string {
  return `(SELECT ended_at FROM runs WHERE seq = ${run}) IS NOT NULL`
}

function nextStates(): string {
  const next = (from: State) => storedTransitions().flatMap((pair) => (pair[0] === from ? [pair[1]] : []))
  return usualFirst(states)
    .map((from) => `WHEN ${quoted(from)} THEN ${anyOf('NEW.state', [...next(from), from])}`)
    .join(' ')
}

/** What a row in `state` looks like. `IS` and not `=`, since a CHECK lets NULL pass. */
function rowIn(state: State): string {
  if (state === 'waiting')
    return '(session IS NOT NULL AND fence IS NULL AND cause IS NULL AND ended_at IS NULL)'
  if (state === 'running') return '(fence IS NOT NULL AND cause IS NULL AND ended_at IS NULL)'
  const fitting = causes.filter((cause) => (isTerminal(state) ? endings[cause] === state : stops(cause)))
  const because = fitting
    .map((cause) => `(cause IS ${quoted(cause)} AND ${fenceFor(state, cause)})`)
    .join(' OR ')
  return `((${because}) AND ended_at IS ${isTerminal(state) ? 'NOT NULL' : 'NULL'})`
}

/** A run that never was admitted has no fence, and only some causes can end it. */
function fenceFor(state: State, cause: Cause): string {
  if (!isTerminal(state) || transitions.waiting[cause] === undefined) return 'fence IS NOT NULL'
  return stops(cause) ? '1' : 'fence IS NULL'
}

function stops(cause: Cause): boolean {
  return transitions.running[cause] !== undefined
}

/**
 * A CASE, which stops at the first that fits, where OR would compare with all, and IN with more than two values
 * would build a temporary b-tree each time. Two comparisons for nearly every run: those it goes through come first.
 */
function anyOf(column: string, values: readonly string[]): string {
  return `CASE ${column} ${usualFirst(values)
    .map((value) => `WHEN ${quoted(value)} THEN 1`)
    .join(' ')} ELSE 0 END`
}

function usualFirst<T extends string>(values: readonly T[]): readonly T[] {
  const usual: readonly string[] = ['running', 'succeeded', 'returned']
  return [
    ...values.filter((value) => usual.includes(value)),
    ...values.filter((value) => !usual.includes(value)),
  ]
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
