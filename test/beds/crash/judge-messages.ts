import type { MessageFact } from './facts.ts'
import type { Check, Crash } from './judge.ts'

type Told = Extract<MessageFact, { told: unknown }>['told']

/** P8, of a day with messages: what was accepted, what was begun for it, and which endings were told. */
export const messageChecks: Record<string, Check> = {
  'P8, every request comes to an end that is told': (crash) => {
    const accepted = crash.facts.flatMap((fact) => ('accepted' in fact ? [fact.accepted] : []))
    // What a lost run was for is to be run again; what it had done is done.
    const ended = told(crash).flatMap(({ state, request, through }) => [
      ...through,
      ...(state === 'lost' ? [] : [request]),
    ])
    return [
      ...accepted
        .filter((id) => !ended.includes(id))
        .map((id) => `request ${id} was accepted, and nobody was told`),
      ...crash.after.pending.map((id) => `request ${id} is pending for ever`),
    ]
  },

  'P8, every ending is told': (crash) => {
    const runs = new Set(told(crash).map(({ run }) => run))
    return [
      ...crash.after.runs
        .filter(({ id, request, ended_at }) => request !== null && ended_at !== null && !runs.has(id))
        .map(({ id, request }) => `run ${id} of request ${request} has ended, and nobody was told`),
      ...(crash.after.untold === 0 ? [] : [`${crash.after.untold} endings are in the outbox for ever`]),
    ]
  },

  'P8, in order': (crash) =>
    programs(crash).flatMap((facts) => {
      const fences = new Map<string, number>()
      return toldIn(facts).flatMap(({ session, fence, run }) => {
        const before = fences.get(session ?? '') ?? 0
        // One that was never admitted has no place among the fences.
        if (session === null || fence === null) return []
        fences.set(session, fence)
        return fence < before
          ? [`the ending of run ${run}, fence ${fence}, was told after that of ${before}`]
          : []
      })
    }),

  'P8, one effect under one fence': (crash) => {
    const effects = programs(crash)
      .flat()
      .flatMap((fact) => ('begun' in fact ? [`${fact.begun.request} under fence ${fact.begun.fence}`] : []))
    return effects
      .filter((effect, at) => effects.indexOf(effect) !== at)
      .map((effect) => `${effect} was begun twice`)
  },
}

function told(crash: Crash): readonly Told[] {
  return programs(crash).flatMap(toldIn)
}

function toldIn(facts: readonly object[]): readonly Told[] {
  return (facts as readonly MessageFact[]).flatMap((fact) => ('told' in fact ? [fact.told] : []))
}

/** What each said, the day's first. Several that reopen at once know nothing of each other. */
function programs({ facts, cutShort, reopenings }: Crash): ReadonlyArray<readonly MessageFact[]> {
  return [facts, ...cutShort, ...reopenings] as ReadonlyArray<readonly MessageFact[]>
}
