import type { CoppiceError } from '../../errors.js'
import type { Proof } from '../../proof.js'
import type { Outcome } from '../../runs/outcome.js'
import type { State } from '../../runs/states.js'
import type { Stop, StoredRun } from '../../store/records.js'
import type { EventName, SupervisorEvents, Transition } from '../events.js'
import type { EventMessage, SendToHost } from '../messages.js'
import type { Log } from './log.js'
import type { SupervisedRun } from './run.js'
import type { SupervisedTree } from './tree.js'

/**
 * What is told of a supervisor, as lines of a log and as events: one for each fact, with its numbers, and none for an
 * attempt, a look or a renewal. An event crosses to the host only where somebody listens.
 */
export class News {
  readonly #log: Log
  readonly #logs: boolean
  readonly #send: SendToHost
  #listened: ReadonlySet<EventName> = new Set()
  /** How many writes the store was said not to have taken; it may have some of them all the same. */
  failedWrites = 0
  /** Since when the store has taken no writes, and why. */
  #trouble: { readonly path: string; readonly since: string; readonly error: string } | null = null

  constructor(log: Log, logs: boolean, send: SendToHost) {
    this.#log = log
    this.#logs = logs
    this.#send = send
  }

  listened(names: readonly EventName[]): void {
    this.#listened = new Set(names)
  }

  waits(run: SupervisedRun, holder: StoredRun | null, queueLength: number): void {
    if (!this.#isTold('transition')) return
    const { id, request } = run
    this.#log.info(
      { run: id, session: request.session, to: 'waiting', holder: holder?.id ?? null, queueLength },
      'run waits for its session',
    )
    this.#transition(run, null, 'waiting', {})
  }

  admitted(run: SupervisedRun, fence: number): void {
    if (!this.#isTold('transition')) return
    const { waitedMs } = run
    this.#log.info(
      { run: run.id, session: run.request.session, from: 'waiting', to: 'running', fence, waitedMs },
      'run begins',
    )
    this.#transition(run, 'waiting', 'running', { waitedMs })
  }

  stops(run: SupervisedRun, { cause, message, grace }: Stop): void {
    if (!this.#isTold('transition')) return
    const line = {
      run: run.id,
      session: run.request.session,
      from: 'running',
      to: 'stopping',
      cause,
      message,
      graceMs: grace ?? run.bounds.grace,
      trees: run.liveTrees.size,
    }
    // That a callback is done is what one expects of it.
    this.#log[cause === 'returned' ? 'debug' : 'info'](line, 'run stops')
    this.#transition(run, 'running', 'stopping', { cause, message })
  }

  ended(run: SupervisedRun, outcome: Outcome): void {
    const { callback, state, cause, session, fence, message, forced, waitedMs, durationMs } = outcome
    // Of a run that never got its session here no callback was called, whatever others did with it.
    const wasAdmitted = run.hold !== null
    const from = wasAdmitted ? 'stopping' : 'waiting'
    if (this.#isTold('transition')) {
      const proof = outcome.tree?.proof ?? null
      const survivors = outcome.tree?.survivors.length ?? 0
      const numbers = { fence, forced, trees: outcome.trees, proof, survivors, waitedMs, durationMs }
      this.#log[levelOf(outcome)](
        { run: run.id, session, from, to: state, cause, message, ...numbers },
        'run ended',
      )
      this.#transition(run, from, state, { cause, message, waitedMs, durationMs })
    }
    if (!wasAdmitted || callback !== 'left_behind' || !this.#isTold('leftBehind')) return
    this.#log.warn({ run: run.id, session, state, cause, durationMs }, 'a callback was left behind')
    this.#tell('leftBehind', { run: run.id, session, fence, state, cause, durationMs, at: now() })
  }

  treeLaunched(run: SupervisedRun, { request, tree }: SupervisedTree): void {
    if (!this.#logs) return
    const { session } = run.request
    this.#log.debug(
      {
        run: run.id,
        session,
        tree: request.tree,
        command: request.command,
        pid: tree.root.pid,
        containment: tree.containment,
      },
      'tree launched',
    )
  }

  treeEnded(
    run: SupervisedRun,
    { request }: SupervisedTree,
    result: Awaited<SupervisedTree['result']>,
  ): void {
    if (!this.#logs) return
    const { exit, ended, forced, durationMs, report } = result
    const { proof, killed, exceeded, survivors } = report
    const line = {
      run: run.id,
      session: run.request.session,
      tree: request.tree,
      ended,
      code: exit.code,
      signal: exit.signal,
      forced,
      killed,
      proof,
      survivors: survivors.length,
      ...(exceeded === null ? {} : { exceeded }),
      durationMs,
    }
    const level = survivors.length > 0 ? 'error' : ended === 'exited' && exit.code === 0 ? 'debug' : 'info'
    this.#log[level](line, 'tree ended')
  }

  claimed(run: StoredRun, why: string): void {
    const { supervisor, id, session, fence } = run
    this.#log.warn(
      { run: id, session, from: supervisor.id, pid: supervisor.identity.pid, fence, why },
      'run taken over',
    )
  }

  recovered(
    { id, session, supervisor }: StoredRun,
    { state, cause }: Pick<Outcome, 'state' | 'cause'>,
    { killed, proof }: { readonly killed: number; readonly proof: Proof | null },
  ): void {
    const { pid } = supervisor.identity
    this.#log.warn(
      { run: id, session, from: supervisor.id, pid, to: state, cause, killed, proof },
      'run recovered',
    )
    if (!this.#listened.has('recovered')) return
    const from = { supervisor: supervisor.id, host: supervisor.host, pid }
    this.#tell('recovered', { run: id, session, from, state, cause, killed, proof, at: now() })
  }

  /** The store has failed a write, or, with null, taken one. */
  store(path: string, error: CoppiceError | null): void {
    if (error === null) {
      this.#storeWorks()
      return
    }
    this.failedWrites += 1
    if (this.#trouble === null) {
      this.#trouble = { path, since: now(), error: error.message }
      this.#log.error({ path, err: error }, 'the store takes no writes')
      this.#tell('storeTrouble', { ...this.#trouble, ended: false, at: this.#trouble.since })
    }
  }

  /** Since when the store has taken no writes, and why; null while it takes them. */
  get storeTrouble(): { readonly since: string; readonly error: string } | null {
    return this.#trouble && { since: this.#trouble.since, error: this.#trouble.error }
  }

  #storeWorks(): void {
    const trouble = this.#trouble
    if (trouble === null) return
    this.#trouble = null
    const troubleMs = Date.now() - Date.parse(trouble.since)
    this.#log.warn({ path: trouble.path, troubleMs }, 'the store takes writes again')
    this.#tell('storeTrouble', { ...trouble, ended: true, at: now() })
  }

  stallWarning(run: SupervisedRun, idleMs: number, doing: string): void {
    const { session } = run.request
    this.#log.warn({ run: run.id, session, idleMs, doing }, 'run shows no progress')
    this.#tell('stallWarning', { run: run.id, session, idleMs, doing, at: now() })
  }

  closing(runs: number, drain: number, within: number): void {
    this.#log.info(
      { runs, drainMs: drain, ...(Number.isFinite(within) ? { withinMs: within } : {}) },
      'supervisor closes',
    )
  }

  closed(unfinished: number): void {
    const message = 'supervisor closed'
    if (unfinished === 0) this.#log.info({ unfinished }, message)
    else this.#log.error({ unfinished }, `${message}, with runs whose ending is not stored`)
  }

  #isTold(event: EventName): boolean {
    return this.#logs || this.#listened.has(event)
  }

  #transition(run: SupervisedRun, from: State | null, to: State, facts: Partial<Transition>): void {
    if (!this.#listened.has('transition')) return
    const { id, request, hold } = run
    this.#tell('transition', {
      run: id,
      session: request.session,
      from,
      to,
      cause: null,
      message: null,
      fence: hold?.fence ?? null,
      waitedMs: hold === null ? null : run.waitedMs,
      durationMs: null,
      ...facts,
      at: now(),
    })
  }

  #tell<Name extends EventName>(name: Name, event: SupervisorEvents[Name]): void {
    if (this.#listened.has(name)) this.#send({ type: 'event', name, event } as EventMessage)
  }
}

function levelOf({ state, tree }: Outcome): keyof Log {
  if (state === 'lost' || (tree?.survivors.length ?? 0) > 0) return 'error'
  return state === 'failed' || state === 'timed_out' || state === 'stalled' ? 'warn' : 'info'
}

function now(): string {
  return new Date().toISOString()
}
