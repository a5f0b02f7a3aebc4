import { readdirSync, readFileSync } from 'node:fs'
import type { RunView, SessionView, TranscriptItem } from 'coppice'
import type { Observer } from '#src/supervisor/host/observer.js'
import { startTimeOf } from '../../support/alive.ts'
import { order } from './order.ts'

/** What is seen from outside, in an order in which each look may only know more than the one before. */
export interface Look {
  readonly before: ReadonlyMap<string, readonly TranscriptItem[]>
  readonly runs: readonly RunView[]
  readonly sessions: readonly SessionView[]
  readonly after: ReadonlyMap<string, readonly TranscriptItem[]>
  /** Living processes by the run whose cookie they carry, looked for after `runs`. */
  readonly processes: ReadonlyMap<string, readonly string[]>
}

export async function lookAt(observer: Observer, sessions: readonly string[]): Promise<Look> {
  const before = await transcripts(observer, sessions)
  const runs = await observer.runs({ limit: 10_000 })
  const processes = cookies()
  const free = await observer.sessions()
  const after = await transcripts(observer, sessions)
  return { before, runs, sessions: free, after, processes }
}

async function transcripts(observer: Observer, sessions: readonly string[]) {
  const all = new Map<string, TranscriptItem[]>()
  for (const session of sessions) all.set(session, await observer.transcript(session, { limit: 10_000 }))
  return all
}

function cookies(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const name of readdirSync('/proc')) {
    const run = /^\d+$/.test(name) ? runOf(name) : null
    if (run !== null && startTimeOf(Number(name)) !== null)
      found.set(run, [...(found.get(run) ?? []), `${name} ${commandLine(name)}`])
  }
  return found
}

function runOf(pid: string): string | null {
  const variable = read(pid, 'environ').find((each) => each.startsWith('COPPICE_RUN='))
  return variable === undefined ? null : (variable.slice('COPPICE_RUN='.length).split('/').at(-1) ?? null)
}

function commandLine(pid: string): string {
  return read(pid, 'cmdline').join(' ')
}

function read(pid: string, file: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** P1, P2, P3, P6: what no look may show, whoever looks and whenever. */
export class Watch {
  readonly #ended = new Map<string, string>()
  readonly #stopping = new Map<string, string | null>()
  readonly #transcripts = new Map<string, string[]>()

  /** What is wrong with what is seen, also beside what was seen before. */
  faultsOf(look: Look): string[] {
    return [...exclusion(look), ...endings(look), ...leftProcesses(look), ...this.#changes(look)]
  }

  /** An outcome and a cause never change, and nothing is written into what stands ended. */
  *#changes({ runs, after }: Look): Generator<string> {
    for (const { run, state, cause, outcome } of runs) {
      const cameFirst = this.#stopping.get(run)
      if (cameFirst !== undefined && cause !== cameFirst)
        yield `P5: ${run} was stopping as ${cameFirst} and is ${state} as ${cause}`
      if (state === 'stopping') this.#stopping.set(run, cause)
      const text = JSON.stringify(outcome)
      const told = this.#ended.get(run)
      if (told !== undefined && told !== text) yield `P5: the outcome of ${run} was ${told} and is ${text}`
      if (outcome !== null) this.#ended.set(run, text)
    }
    for (const [session, items] of after) {
      const now = items.map((item) => JSON.stringify(item))
      const lastEnding = items.findLastIndex(({ kind }) => kind === 'ending')
      for (const [at, item] of (this.#transcripts.get(session) ?? []).entries())
        if (now[at] !== item) yield `P6: ${session} had ${item} at ${at} and has ${now[at]}`
      this.#transcripts.set(session, now.slice(0, lastEnding + 1))
    }
  }
}

function* exclusion({ runs, after }: Look): Generator<string> {
  const holders = new Map<string | null, string>()
  for (const { run, session, state } of runs) {
    if (state !== 'running' && state !== 'stopping') continue
    if (holders.has(session)) yield `P1: ${session} is held by ${holders.get(session)} and by ${run}`
    holders.set(session, run)
  }
  for (const [session, items] of after) yield* order(session, items)
}

/** Terminal exactly where its ending is in the transcript, and there once. */
function* endings({ before, runs, sessions, after }: Look): Generator<string> {
  const terminal = new Set(runs.flatMap(({ run, outcome }) => (outcome === null ? [] : [run])))
  for (const { session, holder } of sessions)
    if (holder !== null && terminal.has(holder.run))
      yield `P2: ${holder.run} is terminal and holds ${session}`
  const earlier = endingsIn(before)
  const later = endingsIn(after)
  for (const { run, session, fence, outcome } of runs) {
    if (session === null) continue
    if (outcome === null && earlier.has(run)) yield `P2: ${run} has its ending and is not terminal`
    const count = later.get(run) ?? 0
    if (outcome !== null && fence !== null && count !== 1)
      yield `P2: ${run} is terminal and has ${count} endings`
    if (outcome !== null && fence === null && count !== 0)
      yield `P2: ${run} was never admitted and has an ending in its session`
  }
}

function endingsIn(transcripts: Look['before']): Map<string, number> {
  const counts = new Map<string, number>()
  for (const items of transcripts.values())
    for (const { kind, run } of items) if (kind === 'ending') counts.set(run, (counts.get(run) ?? 0) + 1)
  return counts
}

function* leftProcesses({ runs, processes }: Look): Generator<string> {
  for (const { run, outcome } of runs) {
    const left = outcome === null ? undefined : processes.get(run)
    if (left === undefined || outcome?.tree?.proof === 'survivors') continue
    yield `P3: ${run} has ended as ${outcome?.cause} (${JSON.stringify(outcome?.tree)}), and there live ${left.join(', ')}`
  }
}
