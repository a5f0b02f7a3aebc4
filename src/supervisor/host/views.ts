import type { Exit } from '../../containment/contract.js'
import type { Survivor } from '../../proof.js'
import type { Breaker } from '../../runs/breaker.js'
import type { Cause } from '../../runs/causes.js'
import type { Outcome } from '../../runs/outcome.js'
import type { State } from '../../runs/states.js'
import type { StoredSession } from '../../store/looking-contract.js'
import type { StoredRun, StoredTree } from '../../store/records.js'
import type { TreeProcess } from '../doing.js'
import type { KeeperHealth, SeenSupervisor } from '../health.js'

/** What programs are shown of the store: by the library, and by the command's `--json`. Times are ISO 8601. */

export interface RunView {
  readonly run: string
  readonly session: string | null
  readonly parent: string | null
  readonly request: string | null
  readonly state: State
  /** Why it ends, from the moment that it stops. */
  readonly cause: Cause | null
  readonly message: string | null
  readonly fence: number | null
  readonly labels: Readonly<Record<string, string>>
  /** What it waits for with `run.waitFor`, the latest last; `until` is null where its own end alone ends the wait. */
  readonly waitsFor: readonly {
    readonly what: string
    readonly since: string
    readonly until: string | null
  }[]
  /** The process that runs it. */
  readonly supervisor: { readonly id: string; readonly host: string; readonly pid: number }
  readonly createdAt: string
  readonly startedAt: string | null
  readonly outcome: Outcome | null
}

export interface TreeView {
  readonly tree: string
  readonly command: readonly string[]
  readonly containment: string
  readonly pid: number
  readonly launchedAt: string
  /** Null while it runs. */
  readonly end: {
    readonly ended: string
    readonly exit: Exit
    readonly proof: string
    readonly survivors: readonly Survivor[]
    readonly endedAt: string
  } | null
}

export interface SessionView {
  readonly session: string
  readonly state: 'free' | 'held'
  readonly holder: { readonly run: string; readonly state: State; readonly since: string } | null
  readonly waiting: number
  readonly fence: number
  /** Null where no failure is remembered. */
  readonly breaker: BreakerView | null
}

export interface BreakerView {
  /** `trial`: open, and one run tries the session out. */
  readonly state: 'closed' | 'open' | 'trial'
  /** How many runs in a row have failed. */
  readonly failures: number
  /** Since when it is open, why, and from when on a run may try the session out; null while it is closed. */
  readonly since: string | null
  readonly why: string | null
  readonly retryAt: string | null
  /** The run that tries the session out. */
  readonly trial: string | null
}

export interface SupervisorView {
  readonly supervisor: string
  readonly host: string
  readonly pid: number
  /** Whether its process lives, as far as this machine can tell. */
  readonly alive: 'alive' | 'dead' | 'unknown'
  /** Whether it is stopped, as by SIGSTOP. */
  readonly stopped: boolean
  readonly renewedAt: string
  readonly ttlMs: number
  /** Since when the event loop of its host was blocked, as of its latest renewal. */
  readonly blockedSince: string | null
  /** What its keeper says when it is asked; null where it does not answer within a second. */
  readonly health: Omit<KeeperHealth, 'supervisor' | 'pid'> | null
}

export function viewSupervisor({ record, alive, stopped, health }: SeenSupervisor): SupervisorView {
  const { id, host, identity, renewedAt, ttl: ttlMs, blockedSince } = record
  const told = health && withoutName(health)
  return {
    supervisor: id,
    host,
    pid: identity.pid,
    alive,
    stopped,
    renewedAt: iso(renewedAt),
    ttlMs,
    blockedSince: blockedSince === null ? null : iso(blockedSince),
    health: told,
  }
}

function withoutName({ supervisor: _supervisor, pid: _pid, ...health }: KeeperHealth) {
  return health
}

export function viewRun(run: StoredRun): RunView {
  const { id, session, parent, request, state, fence, outcome, supervisor } = run
  return {
    run: id,
    session,
    parent,
    request,
    state,
    cause: outcome?.cause ?? run.stop?.cause ?? null,
    message: outcome?.message ?? run.stop?.message ?? null,
    fence,
    labels: run.labels === null ? {} : JSON.parse(run.labels),
    waitsFor: run.waits.map(({ what, since, until }) => ({
      what,
      since: iso(since),
      until: until === null ? null : iso(until),
    })),
    supervisor: { id: supervisor.id, host: supervisor.host, pid: supervisor.identity.pid },
    createdAt: iso(run.createdAt),
    startedAt: run.startedAt === null ? null : iso(run.startedAt),
    outcome,
  }
}

export function viewTree({ tree, command, containment, root, launchedAt, end }: StoredTree): TreeView {
  return {
    tree,
    command: JSON.parse(command),
    containment,
    pid: root.pid,
    launchedAt: iso(launchedAt),
    end: end && {
      ended: end.ended,
      exit: { code: end.code, signal: end.signal as Exit['signal'] },
      proof: end.proof,
      survivors: end.survivors,
      endedAt: iso(end.at),
    },
  }
}

export function viewBreaker(breaker: Breaker | null): BreakerView | null {
  if (breaker === null) return null
  const { failures, opened } = breaker
  if (opened === null)
    return { state: 'closed', failures, since: null, why: null, retryAt: null, trial: null }
  const { since, why, retryAt, trial } = opened
  const state = trial === null ? 'open' : 'trial'
  return { state, failures, since: iso(since), why, retryAt: iso(retryAt), trial }
}

export function viewSession({ session, holder, waiting, fence, breaker }: StoredSession): SessionView {
  return {
    session,
    state: holder === null ? 'free' : 'held',
    holder: holder && { run: holder.run, state: holder.state, since: iso(holder.since) },
    waiting,
    fence,
    breaker: viewBreaker(breaker),
  }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

export type { TreeProcess }
