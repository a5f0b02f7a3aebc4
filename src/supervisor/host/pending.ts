import { CoppiceError } from '../../errors.js'
import type { PendingFilter, PendingRequest as Stored } from '../../store/request-contract.js'
import { refuseUnknown } from './options.js'

export type { PendingFilter } from '../../store/request-contract.js'

/** A request that no run has and that one is to have: its run was lost, or never began, or left it. Times are ISO 8601. */
export interface PendingRequest {
  readonly session: string | null
  readonly request: { readonly id: string; readonly payload: unknown }
  /** How many callbacks were called for it. */
  readonly tries: number
  /** Whether it was tried as often as it may be: running it again refuses it, which is then told as its ending. */
  readonly exhausted: boolean
  /** The run that had it last; null where that is forgotten by now. */
  readonly run: string | null
  /** When it came first. */
  readonly since: string
  /** For `after`. */
  readonly position: string
}

/** A page, to be awaited; or all there are, page by page, to be iterated. */
export type PendingRequests = Promise<PendingRequest[]> & AsyncIterable<PendingRequest>

export function pendingRequests(
  filter: PendingFilter,
  ask: (filter: PendingFilter) => Promise<Stored[]>,
): PendingRequests {
  refuseUnknown('pending', filter, ['session', 'after', 'limit'])
  const { after, limit } = filter
  if (after !== undefined && !/^\d{1,15}$/.test(after))
    throw new CoppiceError(
      'invalid_option',
      `after: ${JSON.stringify(after)} is no position: give one that pending() told`,
    )
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw new CoppiceError('invalid_option', `limit: ${limit} is no whole number from 1 on`)
  const pageAfter = (position: string | undefined) =>
    ask(position === undefined ? filter : { ...filter, after: position }).then((page) => page.map(view))
  const first = pageAfter(after)
  // Whoever iterates hears of it there.
  first.catch(() => {})
  return Object.assign(first, {
    async *[Symbol.asyncIterator]() {
      for (let page = await first; page.length > 0; page = await pageAfter(page.at(-1)?.position)) yield* page
    },
  })
}

function view({ session, id, payload, tries, maxTries, run, at, position }: Stored): PendingRequest {
  return {
    session,
    request: { id, payload: JSON.parse(payload) },
    tries,
    exhausted: tries >= maxTries,
    run,
    since: new Date(at).toISOString(),
    position,
  }
}
