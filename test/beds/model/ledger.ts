import type { Host, Told } from './host.ts'
import { type Asked, newOrdered, type Ordered } from './model.ts'
import type { CancelOptions, Start } from './operations.ts'

/** What was ordered of which host, and what the hosts have told of it. */
export class Ledger {
  readonly ordered: Ordered[] = []
  readonly asked: Asked[] = []
  readonly faults: string[] = []

  start(host: Host, session: string, start: Start, parent: Ordered | null = null): Ordered {
    const key = this.ordered.length
    const ordered = newOrdered(key, { host, session, start, isSubagent: parent !== null })
    this.ordered.push(ordered)
    const { script, spec } = start
    host.order({ order: 'start', key, session, script, spec, parent: parent?.key ?? null })
    return ordered
  }

  finish({ key, host, finishes }: Ordered, how: 'returns' | 'throws'): void {
    finishes.add(how)
    host.order({ order: 'finish', key, how })
  }

  cancel(host: Host, target: string | { readonly session: string }, options: CancelOptions): void {
    const id = this.asked.push({ host, answer: null }) - 1
    host.order({ order: 'cancel', id, target, options })
  }

  hear(told: Told): void {
    if (told.event === 'unhandled') this.faults.push(`unhandled: ${told.error}`)
    if (told.event === 'cancelled' || told.event === 'uncancelled') {
      const asked = this.asked[told.id]
      if (asked !== undefined) asked.answer = told
    }
    if (!('key' in told)) return
    const ordered = this.ordered[told.key]
    if (ordered !== undefined) note(ordered, told)
  }
}

function note(ordered: Ordered, told: Extract<Told, { key: number }>): void {
  if (told.event === 'started') ordered.run = told.run
  else if (told.event === 'refused') ordered.refused = true
  else if (told.event === 'entered') ordered.fence = told.fence
  else if (told.event === 'wrote') ordered.wrote.add(told.n)
  else if (told.event === 'unwritten') ordered.unwritten.push(told)
  else if (told.event === 'outcome') ordered.outcome = told.outcome
  else ordered.result = told.code
}
