import { isDeepStrictEqual } from 'node:util'
import type { Outcome } from 'coppice'
import type { Fact, ReopenFact, TranscriptLine } from './facts.ts'
import { messageChecks } from './judge-messages.ts'
import type { Rows, RunRow } from './rows.ts'

/** A crash as it is seen from outside: what was acknowledged before it, what stood in the file, what came of it. */
export interface Crash {
  readonly facts: readonly Fact[]
  readonly atCrash: Rows
  /** The runs that had ended, and of which something lived on. */
  readonly outlived: readonly string[]
  /** Of each program that reopened the state; several at once count as one reopening. */
  /** What reopenings said that were killed themselves; the next one is not told again what they told. */
  readonly cutShort: ReadonlyArray<readonly ReopenFact[]>
  readonly reopenings: ReadonlyArray<readonly ReopenFact[]>
  readonly after: Rows
}

export type Check = (crash: Crash) => readonly string[]

/** Each promise that does not hold, in a sentence. */
export function faultsOf(crash: Crash): readonly string[] {
  return Object.entries({ ...checks, ...messageChecks }).flatMap(([promise, check]) =>
    check(crash).map((fault) => `${promise}: ${fault}`),
  )
}

const terminal = new Set(['succeeded', 'failed', 'cancelled', 'timed_out', 'stalled', 'lost', 'refused'])
const isTerminal = ({ state }: RunRow) => terminal.has(state)
const facts = ['forced', 'callback', 'trees', 'tree', 'error']

const checks: Record<string, Check> = {
  'the file is whole': ({ atCrash, after }) =>
    [atCrash, after].filter(({ integrity }) => integrity !== 'ok').map(({ integrity }) => integrity),

  'P1, one live run of a session': ({ atCrash, after }) =>
    [atCrash, after].flatMap(({ runs }) => {
      const live = runs.filter(({ state }) => state === 'running' || state === 'stopping')
      return repeated(live.map(({ session }) => session)).map((session) => `${session} has two`)
    }),

  'P1, fences': ({ facts, atCrash, reopenings, after }) => {
    const turns = reopenings.flat().flatMap((fact) => ('turn' in fact ? [fact.turn] : []))
    const given = [...facts.flatMap((fact) => ('admitted' in fact ? [fact] : [])), ...turns]
    const twice = repeated(given.map(({ session, fence }) => `fence ${fence} of ${session} given twice`))
    const low = turns.filter(({ session, fence }) => fence <= (atCrash.fences[session] ?? 0))
    const kept = atCrash.runs
      .filter((run) => run.fence !== null && !isTerminal(run))
      .filter((run) => {
        const fence = find(after, run.id)?.fence ?? 0
        return fence <= (run.fence ?? 0)
      })
    return [
      ...twice,
      ...low.map(({ session, fence }) => `${session} was given with ${fence} again`),
      ...kept.map(({ id }) => `${id} was taken over with the fence that it had`),
    ]
  },

  'P2, terminal is ended is told': ({ atCrash, after }) =>
    [atCrash, after].flatMap((rows) =>
      rows.runs
        .filter((run) => !isOneEnding(run, rows))
        .map(({ id, state }) => `${id} is ${state} by halves`),
    ),

  'P2, acknowledged is there': ({ facts, atCrash }) => facts.flatMap((fact) => missing(fact, atCrash)),

  'P2, all ends': ({ reopenings, after }) => [
    ...after.runs.filter((run) => !isTerminal(run)).map(({ id, state }) => `${id} is ${state} for ever`),
    ...reopenings
      .filter((one) => one.filter((fact) => 'time' in fact).length < 2)
      .map(() => 'a reopening failed'),
  ],

  'P2, one ending, and the last of its run': ({ atCrash, reopenings }) =>
    reopenings.flat().flatMap((fact) => {
      if (!('transcripts' in fact)) return []
      const lines = Object.values(fact.transcripts).flat()
      return atCrash.runs.flatMap(({ id }) =>
        badly(
          id,
          lines.filter(({ run }) => run === id),
          fact.outcomes[id],
        ),
      )
    }),

  'P2, nothing after the end': ({ atCrash, after }) => {
    const ids = new Set(atCrash.runs.map(({ id }) => id))
    const before = atCrash.entries
    const now = after.entries.filter(({ run }) => ids.has(run))
    return isDeepStrictEqual(before, now) ? [] : [`${before.length} entries became ${now.length}, or others`]
  },

  'P3, no process in a session that is given': ({ reopenings }) =>
    reopenings
      .flat()
      .flatMap((fact) =>
        'turn' in fact && fact.turn.alive.length > 0
          ? [`${fact.turn.alive.length} live in ${fact.turn.session} as its next run has it`]
          : [],
      ),

  'P3, no process of a run that has ended': ({ outlived }) => outlived,

  'P5, the cause': ({ facts, atCrash, after }) => [
    ...atCrash.runs
      .filter(({ id, cause }) => cause !== null && find(after, id)?.cause !== cause)
      .map(({ id, cause }) => `${id} was ${cause} and is ${find(after, id)?.cause}`),
    ...facts.flatMap((fact) => ('stopping' in fact ? recast(fact, after) : [])),
    ...facts
      .flatMap((fact) =>
        'aborted' in fact && find(after, fact.aborted)?.state === 'succeeded' ? [fact.aborted] : [],
      )
      .map((id) => `${id} was aborted and succeeded`),
    ...after.runs
      .filter(({ id, state }) => state === 'succeeded' && atCrash.runs.some((run) => run.id === id))
      .filter(({ id }) => !facts.some((fact) => 'returns' in fact && fact.returns === id))
      .map(({ id }) => `${id} succeeded and did not return`),
    ...atCrash.runs
      .filter(
        (run) =>
          (run.state === 'running' || run.state === 'waiting') && find(after, run.id)?.state !== 'lost',
      )
      .map(({ id, state }) => `${id} was ${state} and is ${find(after, id)?.state}`),
  ],

  'P5, an end is the end': ({ atCrash, after }) =>
    atCrash.runs
      .filter((run) => isTerminal(run) && !isDeepStrictEqual(run, find(after, run.id)))
      .map(
        ({ id }) =>
          `${id} was ${JSON.stringify(find(atCrash, id))} and is ${JSON.stringify(find(after, id))}`,
      ),

  'P9, recovered once': ({ reopenings }) => {
    const told = reopenings.flat().flatMap((fact) => ('time' in fact ? [fact] : []))
    return told
      .filter(
        ({ outcomes, transcripts }) =>
          !isDeepStrictEqual([outcomes, transcripts], [told[0]?.outcomes, told[0]?.transcripts]),
      )
      .map(({ time }) => `the ${time} reopening found something to mend`)
  },
}

/** The row is lock and ending at once; what it says of trees has to be what the trees' own rows say. */
function isOneEnding(run: RunRow, { trees }: Rows): boolean {
  const own = trees.filter((tree) => tree.run === run.id)
  if (!isTerminal(run)) return run.ended_at === null && run.ending === null
  if (run.ended_at === null || run.cause === null || own.some(({ ended_at }) => ended_at === null))
    return false
  if (run.fence === null) return run.ending === null
  const ending = JSON.parse(run.ending ?? '{}')
  return facts.every((name) => name in ending) && tellsAll(run, ending.trees, own.length)
}

/** Of one that was taken over, a guard may tell of a tree whose launch its supervisor did not live to record. */
function tellsAll({ fence, turn }: RunRow, told: number, recorded: number): boolean {
  const wasTakenOver = (fence ?? 0) > (turn ?? 0)
  return wasTakenOver ? told >= recorded : told === recorded
}

function missing(fact: Fact, rows: Rows): readonly string[] {
  if ('admitted' in fact) {
    const run = find(rows, fact.admitted)
    return run?.turn === fact.fence && run.session === fact.session ? [] : [`run ${fact.admitted}`]
  }
  if ('entry' in fact) {
    const { run, position, entry } = fact.entry
    const stands = rows.entries.some(
      (one) =>
        one.run === run &&
        `${find(rows, run)?.turn}.${one.n}` === position &&
        isDeepStrictEqual(JSON.parse(one.body), entry),
    )
    return stands ? [] : [`entry ${position} of ${run}`]
  }
  if ('outcome' in fact) {
    const { run, state, cause, fence, trees } = fact.outcome
    const found = find(rows, run)
    const same = found?.state === state && found.cause === cause && found.fence === fence
    return same && (found.ending === null || JSON.parse(found.ending).trees === trees)
      ? []
      : [`the outcome of ${run}`]
  }
  return []
}

function recast(
  { stopping: id, cause }: { stopping: string; cause: string },
  after: Rows,
): readonly string[] {
  const now = find(after, id)?.cause
  return now === cause ? [] : [`${id} was told to be ${cause} and is ${now}`]
}

function badly(
  id: string,
  lines: readonly TranscriptLine[],
  outcome: Outcome | undefined,
): readonly string[] {
  // A run that never had its session has no place in the transcript.
  if (outcome === undefined) return [`${id} has no outcome`]
  if (outcome.fence === null) return lines.length === 0 ? [] : [`${id} had no session and stands in it`]
  const endings = lines.filter(({ kind }) => kind === 'ending')
  const isLast = lines.at(-1)?.kind === 'ending'
  const same = isDeepStrictEqual(endings[0]?.outcome, outcome)
  return endings.length === 1 && isLast && same ? [] : [`${id}: ${lines.map(({ kind }) => kind).join(', ')}`]
}

function find({ runs }: Rows, id: string): RunRow | undefined {
  return runs.find((run) => run.id === id)
}

function repeated(values: readonly string[]): readonly string[] {
  return values.filter((value, at) => values.indexOf(value) !== at)
}
