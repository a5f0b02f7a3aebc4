import { createRequire } from 'node:module'
import type * as Api from '@opentelemetry/api'
import type { Outcome } from '../../runs/outcome.js'
import type { RunRequest } from '../calls.js'
import type { TreeRequest } from '../tree-request.js'

/**
 * Spans of OpenTelemetry's API, for whoever has an SDK registered. Without one nothing is made, and the API, an optional
 * peer, is not even loaded: where it finds its SDK is part of what all its versions of one major number share
 * (https://opentelemetry.io/docs/specs/otel/library-guidelines/).
 */
const registered = Symbol.for('opentelemetry.js.api.1')

function isTraced(): boolean {
  const found = (globalThis as { [registered]?: { readonly trace?: unknown } })[registered]
  return found?.trace !== undefined
}

/** The host's own copy, as it is loaded already; null where it cannot be found from here. */
let loaded: typeof Api | null | undefined

function api(): typeof Api | null {
  if (!isTraced()) return null
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)('@opentelemetry/api') as typeof Api
    } catch {
      loaded = null
    }
  }
  return loaded
}

const name = 'coppice'
/** In a context: the run whose callback it is of. */
const runKey = Symbol('coppice.run')

/** The span of a run, in which its commands', its subagents' and its callback's own are. */
export class RunSpan {
  readonly #api: typeof Api
  readonly #span: Api.Span
  readonly #context: Api.Context

  /** Null where nobody traces. `parent` is the run that it is a subagent of, where that is of this supervisor. */
  static start({ run, session, parent, request }: RunRequest, parentSpan: RunSpan | null): RunSpan | null {
    const found = api()
    if (found === null) return null
    const context = parentSpan === null ? found.context.active() : parentSpan.#inner()
    const attributes: Api.Attributes = { 'coppice.run.id': run }
    if (session !== null) attributes['coppice.session'] = session
    if (parent !== null) attributes['coppice.parent'] = parent
    if (request !== null) attributes['coppice.request.id'] = request.id
    const span = found.trace.getTracer(name).startSpan('coppice.run', { attributes }, context)
    return new RunSpan(found, span, context)
  }

  private constructor(found: typeof Api, span: Api.Span, context: Api.Context) {
    this.#api = found
    this.#span = span
    this.#context = found.trace.setSpan(context, span).setValue(runKey, this)
  }

  /** Calls `fn` with the run's span as the active one. */
  within<T>(fn: () => T): T {
    return this.#api.context.with(this.#context, fn)
  }

  admitted(fence: number): void {
    this.#span.setAttribute('coppice.run.fence', fence)
    this.#span.addEvent('admitted')
  }

  exec(request: TreeRequest): ExecSpan {
    return ExecSpan.in({ api: this.#api, context: this.#inner() }, request)
  }

  end({ state, cause, message, forced, callback, trees, waitedMs }: Outcome): void {
    this.#span.setAttributes({
      'coppice.run.state': state,
      'coppice.run.cause': cause,
      'coppice.run.forced': forced,
      'coppice.run.callback': callback,
      'coppice.run.trees': trees,
      'coppice.run.waited_ms': waitedMs,
    })
    if (state !== 'succeeded') {
      this.#span.setAttribute('error.type', cause)
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: message ?? cause })
    }
    this.#span.end()
  }

  /** What is active, where that is within the run's callback: a span of the caller's own may be. Else the run's. */
  #inner(): Api.Context {
    const active = this.#api.context.active()
    return active.getValue(runKey) === this ? active : this.#context
  }
}

/** What of an `ExecResult` a span tells. */
interface Executed {
  readonly ok: boolean
  readonly exit: { readonly code: number | null; readonly signal: string | null }
  readonly ended: string
  readonly forced: boolean
}

/** Where a span begins. Of no type of the API's: declarations that name one would want it installed by everybody. */
interface Place {
  readonly api: object
  readonly context: object
}

/** The span of a command. Its arguments, which may hold secrets, are not in it. */
export class ExecSpan {
  readonly #api: typeof Api
  readonly #span: Api.Span

  /** For a command without a run; null where nobody traces. */
  static start(request: TreeRequest): ExecSpan | null {
    const found = api()
    return found === null ? null : ExecSpan.in({ api: found, context: found.context.active() }, request)
  }

  static in(place: Place, { run, tree, command }: TreeRequest): ExecSpan {
    const found = place.api as typeof Api
    const context = place.context as Api.Context
    const attributes: Api.Attributes = { 'process.command': command, 'coppice.tree.id': tree }
    if (run !== null) attributes['coppice.run.id'] = run
    return new ExecSpan(found, found.trace.getTracer(name).startSpan('coppice.exec', { attributes }, context))
  }

  private constructor(found: typeof Api, span: Api.Span) {
    this.#api = found
    this.#span = span
  }

  launched(pid: number): void {
    this.#span.setAttribute('process.pid', pid)
  }

  ended({ ok, exit, ended, forced }: Executed): void {
    if (exit.code !== null) this.#span.setAttribute('process.exit.code', exit.code)
    if (exit.signal !== null) this.#span.setAttribute('coppice.exit.signal', exit.signal)
    this.#span.setAttributes({ 'coppice.ended': ended, 'coppice.forced': forced })
    if (!ok) this.#fail(ended === 'exited' ? (exit.signal ?? `exit code ${exit.code}`) : ended)
    this.#span.end()
  }

  /** It could not be launched. */
  failed(error: unknown): void {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
    this.#fail(typeof code === 'string' ? code : 'launch_failed', String(message ?? error))
    this.#span.end()
  }

  #fail(type: string, message: string = type): void {
    this.#span.setAttribute('error.type', type)
    this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message })
  }
}
