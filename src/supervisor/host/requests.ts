import { CoppiceError } from '../../errors.js'
import type { HostRun } from './run.js'
import type { RunHandle } from './run-faces.js'
import type { RunSpec } from './spec.js'

/** A spec that names no request: its callback is the one that is called, and its value the result. */
export type WithoutRequest = RunSpec & { readonly request?: undefined }

interface Known {
  readonly run: HostRun
  /** Null where it was begun without a callback. */
  readonly handle: RunHandle<unknown> | null
}

/** The requests that runs of this host have just now: whoever brings one again gets what the first one got. */
export class HostRequests {
  readonly #known = new Map<string, Known>()

  handleOf({ session, request }: RunSpec): RunHandle<unknown> | null {
    const known = request === undefined ? undefined : this.#known.get(keyOf(session, request.id))
    if (known === undefined) return null
    return known.handle ?? handleOf(known.run, withoutValue(known.run))
  }

  /** The run that was begun for it; throws where a callback has it. */
  begunOf({ session, request }: RunSpec): HostRun | null {
    const known = request === undefined ? undefined : this.#known.get(keyOf(session, request.id))
    if (known === undefined) return null
    if (known.handle === null) return known.run
    throw duplicate(request?.id, known.run.id, session)
  }

  add({ session, request }: RunSpec, run: HostRun, handle: RunHandle<unknown> | null): void {
    if (request === undefined) return
    const key = keyOf(session, request.id)
    this.#known.set(key, { run, handle })
    run.outcome.then(() => this.#known.delete(key))
  }
}

export function handleOf<T>(run: HostRun, result: Promise<T>): RunHandle<T> {
  // Whoever only looks at the outcome must not get an unhandled rejection.
  result.catch(() => {})
  const { id, session, signal, outcome, accepted } = run
  return {
    id,
    session,
    signal,
    accepted,
    outcome,
    result,
    get state() {
      return run.state
    },
    cancel: (options) => run.cancel(options),
  }
}

/** What a run came to whose callback is not ours: nobody has its value. */
export async function withoutValue(run: HostRun): Promise<undefined> {
  const [over, { state }] = await Promise.all([run.over, run.outcome])
  if (state !== 'succeeded') throw over
}

export function duplicate(
  request: string | undefined,
  run: string,
  session: string | null | undefined,
): CoppiceError {
  const message = `request ${request} is run ${run}’s already: it cannot be begun a second time`
  return new CoppiceError('request_duplicate', message, { run, session: session ?? null })
}

function keyOf(session: string | undefined, id: string): string {
  return JSON.stringify([session ?? null, id])
}
