import type { Outcome } from 'coppice'
import type { Host, Told } from './host.ts'
import type { Start } from './operations.ts'

/** One run, as it was ordered and as its host has told of it. */
export interface Ordered {
  readonly key: number
  readonly host: Host
  readonly session: string
  readonly start: Start
  readonly isSubagent: boolean
  /** Its id; null while the host has not said. */
  run: string | null
  refused: boolean
  readonly finishes: Set<string>
  cancelled: boolean
  fence: number | null
  readonly wrote: Set<number>
  readonly unwritten: Array<Extract<Told, { event: 'unwritten' }>>
  outcome: Outcome | null
  /** The code of the error, null for a value; undefined while it is not told. */
  result: string | null | undefined
}

/** What was done to a whole session, at some time: an order to one host comes late to another that is stopped. */
export interface DoneTo {
  readonly interrupted: boolean
  readonly cancelled: boolean
}

/**
 * The model: what a run may have come to, from nothing but what was ordered and done to its host. A run that nothing was
 * done to ends as its script says, and every other cause needs somebody who caused it.
 */
export function allowedCauses(ordered: Ordered, session: DoneTo, ttl: number): Set<Outcome['cause']> {
  const { start, host, finishes, isSubagent } = ordered
  const { script, spec } = start
  const causes = new Set<Outcome['cause']>()
  if (script.finally === 'returns' || finishes.has('returns')) causes.add('returned')
  if (script.finally === 'hangs' && finishes.has('throws')) causes.add('returned')
  if (script.finally === 'throws' || (script.finally === 'waits' && finishes.has('throws')))
    causes.add('threw')
  if (ordered.cancelled || session.cancelled) causes.add('cancelled')
  if (session.interrupted) causes.add('interrupted')
  if (host.closing) causes.add('shutdown')
  // Renewed three times in a ttl, a lease outlives a stop of 0.6.
  if (host.killed || host.stoppedFor > 0.6 * ttl) causes.add('lost')
  if (spec.timeout !== undefined) causes.add('timed_out')
  if (spec.ifBusy === 'refuse' || spec.wait !== undefined) causes.add('busy')
  causes.add('queue_full')
  if (isSubagent) {
    causes.add('deadlock')
    causes.add('parent_ended')
  }
  return causes
}

const codes: Partial<Record<Outcome['state'], readonly string[]>> = {
  cancelled: ['run_cancelled'],
  timed_out: ['run_timed_out'],
  lost: ['run_lost'],
  refused: ['session_busy', 'queue_full', 'deadlock'],
}

/** Whether what a caller was given fits the outcome: nothing but a success gives a value. */
export function fits(result: string | null, { state }: Outcome): boolean {
  if (state === 'succeeded') return result === null
  if (state === 'failed') return result === 'Error: as told' || result === 'Error: as scripted'
  // One that was lost to its host while another ended it has that error for its caller, whatever the stored cause.
  return result === 'run_lost' || (codes[state] ?? []).includes(result ?? '')
}

/** In the order in which they are admitted. */
export function rankOf({ start: { spec } }: Ordered): number {
  if (spec.ifBusy === 'interrupt') return -1
  return spec.priority === 'background' ? 1 : 0
}

export function newOrdered(
  key: number,
  { host, session, start, isSubagent }: Pick<Ordered, 'host' | 'session' | 'start' | 'isSubagent'>,
): Ordered {
  return {
    key,
    host,
    session,
    start,
    isSubagent,
    run: null,
    refused: false,
    finishes: new Set(),
    cancelled: false,
    fence: null,
    wrote: new Set(),
    unwritten: [],
    outcome: null,
    result: undefined,
  }
}

/** A cancel, and its answer. */
export interface Asked {
  readonly host: Host
  answer: Extract<Told, { event: 'cancelled' | 'uncancelled' }> | null
}
