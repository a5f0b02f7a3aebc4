/**
 * The schema. What the state table refuses the database refuses too, whoever writes: the lists in it are
 * generated from `runs/`, and a run's own row is lock and ending at once, so that a terminal run with a held lock
 * has no place where it could be written.
 */
import { liveStates } from '../../runs/states.js'
import { consequences, quoted, refusals, stateCheck } from './guards.js'

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

/**
 * `open`: its run is under way, or has ended it. `pending`: no run has it, and one is to have it. `refused`: whoever brought
 * it was told that it is not taken, and may bring it again. The others are those of a message in the inbox of its run:
 * not taken so far, taken, and done.
 */
const requestStates = ['open', 'pending', 'refused', 'delivered', 'taken', 'done'] as const
export type RequestState = (typeof requestStates)[number]

/** Condition of the inbox's index. */
export const isInInbox = "state IN ('delivered', 'taken', 'done')"

export function schema(): string {
  return [tables(), indexes, consequences(), refusals()].join('\n')
}

function tables(): string {
  return `
    -- tells: whether it has ever told endings
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
      blocked_since INTEGER,
      most_depth INTEGER NOT NULL,
      most_subagents INTEGER NOT NULL,
      tells INTEGER NOT NULL DEFAULT 0,
      closed_at INTEGER
    ) STRICT;

    -- fence: of the last acquisition; last: the run that made it
    -- breaker: JSON, only where failures are remembered
    -- hold: the ending (of outbox) that is to be acknowledged before the next admission, from when on and until when at most
    CREATE TABLE sessions (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL UNIQUE,
      fence INTEGER NOT NULL DEFAULT 0,
      last INTEGER,
      breaker TEXT,
      hold INTEGER,
      hold_from INTEGER,
      hold_until INTEGER
    ) STRICT;

    -- turn: the fence of the first admission, which orders the transcript and outlives a takeover
    -- previous: the run that had the session before; no foreign key, which would read a page of long ago
    -- breaker: the rules that it brought, JSON
    -- tell: 1 where its ending is told though it has no request; inbox: 1 from the first message that it was handed
    CREATE TABLE runs (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      session INTEGER REFERENCES sessions (id) DEFERRABLE INITIALLY DEFERRED,
      supervisor INTEGER NOT NULL REFERENCES supervisors (seq) DEFERRABLE INITIALLY DEFERRED,
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
      waits TEXT,
      breaker TEXT,
      tell INTEGER,
      inbox INTEGER,
      CHECK (${stateCheck()}),
      CHECK ((fence IS NULL) = (turn IS NULL) AND (fence IS NULL) = (started_at IS NULL) AND ifnull(fence >= turn, 1)),
      CHECK ((ending IS NULL) = (ended_at IS NULL OR fence IS NULL))
    ) STRICT;

    -- session: 0 for none, so that a request without one is unique as well
    -- run: the one that it is in, or was in last; begun: whether that one's callback was called, and counts as a try
    -- again: 1 where it was pending before; place: in the order in which the run took its messages
    CREATE TABLE requests (
      seq INTEGER PRIMARY KEY,
      session INTEGER NOT NULL,
      id TEXT NOT NULL,
      run INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN (${requestStates.map(quoted).join(', ')})),
      tries INTEGER NOT NULL,
      max_tries INTEGER NOT NULL,
      begun INTEGER NOT NULL,
      again INTEGER NOT NULL DEFAULT 0,
      place INTEGER,
      created_at INTEGER NOT NULL,
      UNIQUE (session, id)
    ) STRICT;

    -- Payloads and drafts may be large: in the row of request or run, each change of its state would write them again.
    CREATE TABLE payloads (request INTEGER PRIMARY KEY REFERENCES requests (seq), body TEXT NOT NULL) STRICT;
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
      call TEXT,
      UNIQUE (run, id),
      CHECK ((ended_at IS NULL) = (ended IS NULL) AND (ended_at IS NULL) = (proof IS NULL))
    ) STRICT;

    -- The calls of a model that have no result in the transcript so far; entry: 1 where an entry made them, and not only a
    -- command that was launched for one.
    CREATE TABLE calls (
      run INTEGER NOT NULL REFERENCES runs (seq),
      id TEXT NOT NULL,
      entry INTEGER NOT NULL,
      UNIQUE (run, id)
    ) STRICT;

    -- Endings that nobody has acknowledged, in the order of their commits; supervisor: whose it is to tell them, NULL for
    -- anybody's.
    CREATE TABLE outbox (
      seq INTEGER PRIMARY KEY,
      run INTEGER NOT NULL UNIQUE REFERENCES runs (seq),
      session INTEGER,
      supervisor INTEGER
    ) STRICT;`
}

const indexes = `
  -- The lock: at most one live run of a session. It has no entry for a run that is not live, so it stays small.
  CREATE UNIQUE INDEX lock ON runs (session) WHERE ${isLive};
  CREATE INDEX children ON runs (parent) WHERE parent IS NOT NULL AND ended_at IS NULL;
  CREATE INDEX queue ON runs (session, priority) WHERE state = 'waiting';
  CREATE INDEX never_admitted ON runs (session) WHERE turn IS NULL AND ended_at IS NOT NULL;
  CREATE INDEX milestones ON runs (session, turn) WHERE ${isMilestone};
  CREATE INDEX breakers ON sessions (id) WHERE breaker IS NOT NULL;
  CREATE INDEX pending ON requests (seq) WHERE state = 'pending';
  CREATE INDEX inbox ON requests (run) WHERE ${isInInbox};
  CREATE INDEX untold ON outbox (session, seq) WHERE session IS NOT NULL;
  CREATE INDEX tellers ON supervisors (seq) WHERE tells = 1;
  CREATE INDEX open_supervisors ON supervisors (seq) WHERE closed_at IS NULL;`
