/** Rows as the contract's objects. */
import type { SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Cause } from '../../runs/causes.js'
import type { Outcome } from '../../runs/outcome.js'
import { isTerminal, type State, type TerminalState } from '../../runs/states.js'
import type { EndingRecord, UnfinishedCall } from '../ending-contract.js'
import type { StoredRun, StoredTree, SupervisorRecord } from '../records.js'

/**
 * What a statement gives. Its columns are named in its SQL and typed by the schema, whose tables are STRICT, so
 * that a row is what its interface says.
 */
export type Row = Record<string, SQLOutputValue> | undefined

export function as<T>(row: Row): T | undefined {
  return row as T | undefined
}

export function allAs<T>(rows: readonly unknown[]): readonly T[] {
  return rows as readonly T[]
}

/**
 * For the two reads that every run makes, rows as their values in the order of the SQL: the objects that `get`
 * gives are dictionaries, whose ten properties take longer to read than SQLite takes to find them. Node has
 * `setReturnArrays` since 24.0.
 */
export function givingValues(statement: StatementSync): StatementSync {
  refuseSameNames(statement)
  if (typeof statement.setReturnArrays === 'function') statement.setReturnArrays(true)
  return statement
}

/** Where a row is an object, of two columns with one name the first would be gone, and every later one read for the one before it. */
function refuseSameNames(statement: StatementSync): void {
  if (typeof statement.columns !== 'function') return
  const names = statement.columns().map(({ name }) => name)
  if (new Set(names).size < names.length)
    throw new TypeError(`two columns have one name: ${names.join(', ')}`)
}

export function valuesAs<T extends readonly unknown[]>(row: Row): T | undefined {
  if (row === undefined) return undefined
  return (Array.isArray(row) ? row : Object.values(row)) as unknown as T
}

/** What is stored of an ending beside the run's own columns, as JSON. */
export interface Ending extends Pick<EndingRecord, 'forced' | 'callback' | 'trees' | 'tree' | 'error'> {
  /** Where there are any. */
  readonly calls?: readonly UnfinishedCall[]
}

export function endingText(
  { forced, callback, trees, tree, error }: EndingRecord,
  calls: readonly UnfinishedCall[] = [],
): string {
  if (calls.length > 0)
    return JSON.stringify({ forced, callback, trees, tree, error, calls } satisfies Ending)
  if (tree === null && error === null)
    return `{"forced":${forced},"callback":"${callback}","trees":${trees},"tree":null,"error":null}`
  return JSON.stringify({ forced, callback, trees, tree, error } satisfies Ending)
}

/** A run that was never admitted has no such facts. */
const neverAdmitted: Ending = { forced: false, callback: 'settled', trees: 0, tree: null, error: null }

export function endingOf(text: string | null): Ending {
  return text === null ? neverAdmitted : (JSON.parse(text) as Ending)
}

export interface RunFacts {
  readonly id: string
  readonly session: string | null
  readonly parent: string | null
  readonly request: string | null
  readonly state: State
  readonly cause: Cause | null
  readonly message: string | null
  readonly fence: number | null
  readonly created_at: number
  readonly started_at: number | null
  readonly ended_at: number | null
}

/** Null while the run is not terminal. */
export function outcomeIfAny(run: RunFacts, ending: () => Ending): Outcome | null {
  const { state, cause, ended_at } = run
  if (!isTerminal(state) || cause === null || ended_at === null) return null
  return outcomeOf({ ...run, state, cause, ended_at }, ending())
}

export function outcomeOf(run: EndedRun, { forced, callback, trees, tree }: Ending): Outcome {
  const { state, cause, ended_at: endedAt, started_at: startedAt, created_at: createdAt } = run
  return {
    run: run.id,
    session: run.session,
    parent: run.parent,
    request: run.request,
    fence: run.fence,
    state,
    cause,
    message: run.message,
    forced,
    callback,
    trees,
    tree,
    startedAt: startedAt === null ? null : isoStart(startedAt),
    endedAt: isoEnd(endedAt),
    // A wall clock may have been set back in between.
    waitedMs: Math.max(0, (startedAt ?? endedAt) - createdAt),
    durationMs: Math.max(0, endedAt - (startedAt ?? endedAt)),
  }
}

/** Runs that share a commit share their milliseconds as well: one memory for their starts, and one for their ends. */
function isoTimes(): (at: number) => string {
  let latest = { at: Number.NaN, text: '' }
  return (at) => {
    if (latest.at !== at) latest = { at, text: new Date(at).toISOString() }
    return latest.text
  }
}

const isoStart = isoTimes()
const isoEnd = isoTimes()

interface EndedRun extends RunFacts {
  readonly state: TerminalState
  readonly cause: Cause
  readonly ended_at: number
}

export interface RunRow extends RunFacts, SupervisorFacts {
  readonly stopping_at: number | null
  readonly stop_grace: number | null
  readonly labels: string | null
  readonly ending: string | null
  readonly owner: string
  readonly owner_started_at: number
  readonly waits: string | null
  readonly inbox: 1 | null
}

/** Gives `RunRow`s; a condition on `r` (the run), `s` (its session) or `v` (its supervisor) follows. */
export const selectRun = `
  SELECT r.id, s.key AS session, r.parent, r.request, r.state, r.cause, r.message, r.stop_grace, r.fence, r.labels,
    r.created_at, r.started_at, r.stopping_at, r.ended_at, r.ending, v.id AS owner, v.host, v.pid, v.start_time, v.boot_id,
    v.pid_namespace, v.socket, v.started_at AS owner_started_at, v.renewed_at, v.ttl, v.blocked_since, r.waits, r.inbox
  FROM runs r JOIN supervisors v ON v.seq = r.supervisor LEFT JOIN sessions s ON s.id = r.session`

export function storedRun(row: RunRow): StoredRun {
  const { cause, message, stop_grace: grace } = row
  return {
    id: row.id,
    session: row.session,
    supervisor: supervisorRecord({ ...row, id: row.owner, started_at: row.owner_started_at }),
    parent: row.parent,
    request: row.request,
    state: row.state,
    stop: cause === null ? null : { cause, message, grace },
    fence: row.fence,
    labels: row.labels,
    inbox: row.inbox !== null,
    waits: row.waits === null || isTerminal(row.state) ? [] : JSON.parse(row.waits),
    createdAt: row.created_at,
    startedAt: row.started_at,
    stoppingAt: row.stopping_at,
    outcome: outcomeIfAny(row, () => endingOf(row.ending)),
  }
}

export interface SupervisorRow extends SupervisorFacts {
  readonly id: string
  readonly started_at: number
}

interface SupervisorFacts {
  readonly host: string
  readonly pid: number
  readonly start_time: string
  readonly boot_id: string
  readonly pid_namespace: string
  readonly socket: string | null
  readonly renewed_at: number
  readonly ttl: number
  readonly blocked_since: number | null
}

export function supervisorRecord(row: SupervisorRow): SupervisorRecord {
  const { id, host, socket, ttl, started_at: startedAt, renewed_at: renewedAt } = row
  return {
    id,
    host,
    identity: identityOf(row),
    socket,
    startedAt,
    renewedAt,
    ttl,
    blockedSince: row.blocked_since,
  }
}

export interface TreeRow {
  readonly id: string
  readonly command: string
  readonly containment: string
  readonly pid: number
  readonly start_time: string
  readonly boot_id: string
  readonly pid_namespace: string
  readonly launched_at: number
  readonly ended_at: number | null
  readonly code: number | null
  readonly signal: string | null
  readonly ended: string | null
  readonly proof: NonNullable<StoredTree['end']>['proof'] | null
  readonly survivors: string | null
}

export function storedTree(row: TreeRow): StoredTree {
  const { id: tree, command, containment, launched_at: launchedAt } = row
  return { tree, command, containment, root: identityOf(row), launchedAt, end: treeEnd(row) }
}

function treeEnd({ id, code, signal, ended, proof, survivors, ended_at: at }: TreeRow): StoredTree['end'] {
  if (at === null || ended === null || proof === null) return null
  return { tree: id, code, signal, ended, proof, survivors: JSON.parse(survivors ?? '[]'), at }
}

function identityOf(row: { pid: number; start_time: string; boot_id: string; pid_namespace: string }) {
  return { pid: row.pid, startTime: row.start_time, bootId: row.boot_id, pidNamespace: row.pid_namespace }
}
