/** What the database refuses by itself, generated from the tables in `runs/`. */
import { type Cause, causes, endings } from '../../runs/causes.js'
import { isTerminal, type State, states } from '../../runs/states.js'
import { storedTransitions, transitions } from '../../runs/transitions.js'

/** What belongs to an acquisition is done by the statement that makes it, and cannot be left out. */
export function consequences(): string {
  return `
    CREATE TRIGGER inserted AFTER INSERT ON runs BEGIN
      SELECT ${raise(`NOT ${anyOf('NEW.state', ['waiting', 'running', 'refused'])}`, 'a run begins waiting, running or refused')};
      UPDATE sessions SET fence = NEW.fence, last = NEW.seq WHERE id = NEW.session AND NEW.fence IS NOT NULL;
    END;
    CREATE TRIGGER acquired AFTER UPDATE OF fence ON runs BEGIN
      UPDATE sessions SET fence = NEW.fence, last = iif(OLD.turn IS NULL, NEW.seq, last)
      WHERE id = NEW.session AND NEW.fence IS NOT NULL;
    END;`
}

/** One trigger for each kind of statement, and none with a WHEN: each trigger costs every run a microsecond. */
export function refusals(): string {
  return [
    refuse('UPDATE ON runs', {
      'a terminal run never changes':
        'OLD.ended_at IS NOT NULL AND (NEW.previous IS OLD.previous OR NEW.state IS NOT OLD.state OR NEW.ending IS NOT OLD.ending)',
      'no such transition': `NOT CASE OLD.state ${nextStates()} ELSE 0 END`,
      'the first cause stays': 'OLD.cause IS NOT NULL AND NEW.cause IS NOT OLD.cause',
      'its trees end with a run':
        'NEW.ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM trees WHERE run = OLD.seq AND ended_at IS NULL)',
      'its subagents end before a run':
        'NEW.ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM runs WHERE parent = OLD.id AND ended_at IS NULL)',
    }),
    refuse('UPDATE OF fence, turn, previous ON runs', {
      // Where the run before it goes, by retention, the one before that takes its place.
      'a turn never changes':
        'OLD.turn IS NOT NULL AND (NEW.turn IS NOT OLD.turn OR (NEW.previous IS NOT OLD.previous AND NEW.previous IS NOT (SELECT previous FROM runs WHERE seq = OLD.previous)))',
      'a fence only grows':
        '(NEW.fence IS NOT OLD.fence OR NEW.previous IS OLD.previous) AND ifnull(NEW.fence <= OLD.fence, OLD.fence IS NOT NULL)',
    }),
    refuse('UPDATE OF seq, id, session, parent, request, created_at ON runs', { 'a run stays itself': '1' }),
    refuse('UPDATE OF fence ON sessions', { 'a fence only grows': 'NEW.fence <= OLD.fence' }),
    refuse('UPDATE ON entries', { 'an entry never changes': '1' }),
    refuse('DELETE ON entries', { 'an entry never changes': '1' }),
    ...[
      'INSERT ON entries',
      'INSERT ON drafts',
      'UPDATE ON drafts',
      'INSERT ON trees',
      'INSERT ON calls',
    ].map((statement) => refuse(statement, { 'the run has ended': hasEnded('NEW.run') })),
    refuse('DELETE ON runs', {
      'a run that has not ended stays': 'OLD.ended_at IS NULL',
      'an ending that is not told stays': 'EXISTS (SELECT 1 FROM outbox WHERE run = OLD.seq)',
    }),
    refuse('DELETE ON requests', { 'a pending request stays': "OLD.state = 'pending'" }),
    refuse('DELETE ON drafts', { 'the run has ended': hasEnded('OLD.run') }),
  ].join('\n')
}

function refuse(statement: string, reasons: Record<string, string>): string {
  const name = `refuse ${statement.toLowerCase()}`
  // AFTER: a BEFORE trigger makes SQLite read the row twice. What it refuses is undone all the same.
  return `CREATE TRIGGER "${name}" AFTER ${statement} BEGIN
    SELECT CASE ${Object.entries(reasons)
      .map(([message, condition]) => `WHEN ${condition} THEN ${refusal(message)}`)
      .join('\n')} END;
  END;`
}

function raise(condition: string, message: string): string {
  return `CASE WHEN ${condition} THEN ${refusal(message)} END`
}

/**
 * ROLLBACK, of the whole transaction: with ABORT, which undoes one statement, SQLite copies each page that a statement
 * changes, and every run would pay for a refusal that only a fault of ours meets. The committer then runs the batch
 * again, each request in a transaction of its own. For the same reason the statements of an ordinary run say
 * OR ROLLBACK, and the foreign keys of its row are deferred.
 */
function refusal(message: string): string {
  return `RAISE(ROLLBACK, ${quoted(message)})`
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

export function stateCheck(): string {
  const rows = usualFirst(states).map((state) => `WHEN ${quoted(state)} THEN ${rowIn(state)}`)
  return `CASE state ${rows.join(' ')} ELSE 0 END`
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
