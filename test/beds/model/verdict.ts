import type { RunView, TranscriptItem } from 'coppice'
import type { Observer } from '#src/supervisor/host/observer.js'
import type { Host } from './host.ts'
import { type Asked, allowedCauses, fits, type Ordered, rankOf } from './model.ts'
import { order } from './order.ts'

/** What a whole game came to, when everything in it is over. */
export interface Whole {
  readonly ordered: readonly Ordered[]
  readonly asked: readonly Asked[]
  readonly cancelledSessions: ReadonlySet<string>
  /** As stored, the newest first. */
  readonly runs: readonly RunView[]
  readonly transcripts: ReadonlyMap<string, readonly TranscriptItem[]>
  readonly ttl: number
}

/** Everything that is stored of these sessions. */
export async function wholeOf(
  observer: Observer,
  sessions: readonly string[],
): Promise<Pick<Whole, 'runs' | 'transcripts'>> {
  const runs: RunView[] = []
  const transcripts = new Map<string, TranscriptItem[]>()
  for (const session of sessions) {
    runs.push(...(await observer.runs({ session, limit: 10_000 })))
    transcripts.set(session, await observer.transcript(session, { limit: 10_000 }))
  }
  return { runs, transcripts }
}

/** Milliseconds between the moment that a record names and the commit that it is in: another may have the file. */
const commit = 10_000

export function verdict(whole: Whole): string[] {
  return [
    ...accepted(whole),
    ...outcomes(whole),
    ...writes(whole),
    ...cancels(whole),
    ...fences(whole),
    ...turns(whole),
    ...inOrder(whole),
  ]
}

/** P8: one run for each order at most, whatever was told is stored, and everything has ended. */
function* accepted({ ordered, runs }: Whole): Generator<string> {
  const stored = byRequest(runs)
  for (const { run, request, outcome } of runs) {
    if (outcome === null) yield `P8: ${run} has not ended`
    if (stored.get(request ?? '')?.run !== run) yield `P8: ${run} and another are both for ${request}`
  }
  for (const each of ordered) {
    const { key, run, fence, outcome, refused, host, result } = each
    const { run: there } = stored.get(String(key)) ?? {}
    if (there !== undefined && run !== null && there !== run)
      yield `P8: ${key} was told as ${run} and is ${there}`
    if (fence !== null && there === undefined) yield `P8: ${key} was admitted and is not stored`
    if (host.killed || refused || isUnfinished(each)) continue
    if (outcome === null || result === undefined) yield `P8: ${key} was accepted and its end was never told`
  }
}

/** P5: what is stored can have come of what was done, and what was told is what is stored. */
function* outcomes({ ordered, cancelledSessions, runs, ttl }: Whole): Generator<string> {
  const stored = byRequest(runs)
  const interrupters = ordered.filter(({ start }) => start.spec.ifBusy === 'interrupt')
  for (const each of ordered) {
    const { key, outcome, result } = each
    const truth = stored.get(String(key))?.outcome
    if (truth === undefined || truth === null || isUnfinished(each) || isAnothers(each)) continue
    const interrupted = interrupters.some((other) => other !== each && other.session === each.session)
    const cancelled = cancelledSessions.has(each.session)
    const allowed = allowedCauses(each, { interrupted, cancelled }, ttl)
    if (!allowed.has(truth.cause))
      yield `P5: ${key} ended as ${truth.cause} (${truth.message}), and only ${[...allowed].join(', ')} could be: ${JSON.stringify(each.start)}`
    if (outcome !== null && !same(outcome, truth))
      yield `P5: ${key} was told as ${JSON.stringify(outcome)} and is ${JSON.stringify(truth)}`
    if (result !== undefined && !fits(result, truth))
      yield `P5: ${key} ended as ${truth.cause} and gave ${result}`
  }
}

/** A close has its time, and says of a run whose ending cannot be stored in it that it is lost to this host. */
function isUnfinished({ host, outcome }: Ordered): boolean {
  return host.closing && outcome?.message === 'the supervisor was closed before its ending could be stored'
}

/** In the time of a close a host may not hear how another ended what it has taken: then it says so much of it. */
function isAnothers({ host, outcome }: Pick<Ordered, 'host' | 'outcome'>): boolean {
  return (
    host.closing &&
    outcome?.state === 'lost' &&
    (outcome.message ?? '').startsWith('taken over by supervisor')
  )
}

/** P6: what was acknowledged is there, and what was refused is not. */
function* writes({ ordered, transcripts }: Whole): Generator<string> {
  for (const { key, session, host, wrote, unwritten, outcome } of ordered) {
    const codes = ['run_ended', 'run_lost', ...(host.closing ? ['supervisor_closed'] : [])]
    const there = new Set<number>()
    for (const item of transcripts.get(session) ?? []) {
      if (item.kind !== 'entry') continue
      const entry = item.entry as { key: number; n: number }
      if (entry.key !== key) continue
      if (there.has(entry.n)) yield `P6: entry ${entry.n} of ${key} is there twice`
      there.add(entry.n)
    }
    for (const n of wrote)
      if (!there.has(n)) yield `P6: entry ${n} of ${key} was acknowledged and is not there`
    for (const { n, code } of unwritten) {
      if (!codes.includes(code)) yield `P6: entry ${n} of ${key} was refused as ${code}`
      // A close may come between its commit and its answer.
      if (there.has(n) && code !== 'supervisor_closed')
        yield `P6: entry ${n} of ${key} was refused as ${code} and is there`
    }
    if (outcome?.fence === null && there.size > 0) yield `P6: ${key} was never admitted and has entries`
  }
}

/** P5: whoever cancels is told how the run ended; a run that has ended already cannot be. */
function* cancels({ asked, runs }: Whole): Generator<string> {
  const stored = new Map(runs.map((run) => [run.run, run.outcome] as const))
  for (const [id, { answer, host }] of asked.entries()) {
    if (answer === null) {
      if (host.serves) yield `P8: cancel ${id} was never answered`
    } else if (answer.event === 'uncancelled') {
      // A run whose host is stopped before it is stored has an id, and nobody knows it yet.
      const isUnknown = answer.code === 'invalid_option' && answer.message.includes('is in the store')
      if (!isUnknown && !['run_ended', 'supervisor_closed'].includes(answer.code))
        yield `P8: cancel ${id} was answered by ${answer.message} (${answer.code})`
    } else if (
      !isAnothers({ host, outcome: answer.outcome }) &&
      !same(answer.outcome, stored.get(answer.outcome.run))
    )
      yield `P5: cancel ${id} was told ${JSON.stringify(answer.outcome)}, which is ${JSON.stringify(stored.get(answer.outcome.run))}`
  }
}

/** P1: no two callbacks of a session were given the same fence, and a greater one is of a later run. */
function* fences({ ordered, runs, transcripts }: Whole): Generator<string> {
  const stored = byRequest(runs)
  for (const session of transcripts.keys()) {
    const own = ordered.filter((each) => each.session === session && each.fence !== null)
    own.sort((a, b) => (a.fence ?? 0) - (b.fence ?? 0))
    for (const [at, { key, fence, host }] of own.entries()) {
      const before = own[at - 1]
      if (before === undefined) continue
      if (before.fence === fence) yield `P1: ${before.key} and ${key} both had fence ${fence} in ${session}`
      const [earlier, later] = [stored.get(String(before.key)), stored.get(String(key))]
      const ended = Date.parse(earlier?.outcome?.endedAt ?? '')
      const began = Date.parse(later?.startedAt ?? '')
      // A host that is stopped in between commits what it asked for before.
      if (began + commit + disturbedFor(host, began, ended) < ended)
        yield `P1: ${key} began in ${session} before ${before.key} had ended: ${JSON.stringify([earlier, later, host.disturbances])}`
    }
  }
}

function disturbedFor({ disturbances }: Host, began: number, ended: number): number {
  const within = disturbances.map(({ from, to }) => Math.min(to, ended) - Math.max(from, began))
  return within.reduce((total, each) => total + Math.max(0, each), 0)
}

/** P1, P6: fences grow, and nobody writes before or after his turn. */
function* inOrder({ transcripts }: Whole): Generator<string> {
  for (const [session, items] of transcripts) yield* order(session, items)
}

/** P8: first in, first out, and by priority; only who was not there is passed over. */
function* turns({ ordered, runs, transcripts }: Whole): Generator<string> {
  const orders = new Map(ordered.map((each) => [String(each.key), each] as const))
  for (const session of transcripts.keys()) {
    const asked = runs.filter((run) => run.session === session).reverse()
    yield* ofOneHost(session, asked, orders)
    yield* handedOver(session, asked, orders)
    for (const [at, next] of asked.entries()) {
      if (next.startedAt === null) continue
      const began = Date.parse(next.startedAt)
      const rank = rankOf(orders.get(next.request ?? '') as Ordered)
      for (const passed of asked.slice(0, at)) {
        const order = orders.get(passed.request ?? '') as Ordered
        if (rankOf(order) > rank || !waitedAt(passed, began, next.outcome?.fence ?? 0)) continue
        if (order.host.disturbances.some(({ from, to }) => from <= began && began <= to)) continue
        yield `P8: ${next.request} was admitted to ${session} before ${passed.request}, which had asked before: ${JSON.stringify([next, passed])}`
      }
    }
  }
}

/** What one host asks for is taken down in the order in which it asked. */
function* ofOneHost(session: string, asked: readonly RunView[], orders: ReadonlyMap<string, Ordered>) {
  const last = new Map<unknown, number>()
  for (const { request } of asked) {
    const { key, host } = orders.get(request ?? '') as Ordered
    const before = last.get(host) ?? -1
    if (before > key) yield `P8: ${key} was ordered before ${before} in ${session} and stands after it`
    last.set(host, key)
  }
}

/** P2: the next waiter has the session by the very transaction in which the run before it ended. */
function* handedOver(session: string, asked: readonly RunView[], orders: ReadonlyMap<string, Ordered>) {
  const admitted = asked.flatMap((run) =>
    run.startedAt === null ? [] : [{ ...run, startedAt: run.startedAt }],
  )
  admitted.sort((a, b) => (a.outcome?.fence ?? 0) - (b.outcome?.fence ?? 0))
  for (const [at, next] of admitted.entries()) {
    const before = admitted[at - 1]?.outcome
    if (before === undefined || before === null || next.startedAt === next.createdAt) continue
    const ended = Date.parse(before.endedAt)
    const late = Date.parse(next.startedAt) - Math.max(ended, Date.parse(next.createdAt))
    const { host } = orders.get(next.request ?? '') as Ordered
    if (late === 0 || host.disturbances.some(({ from, to }) => from <= ended && ended <= to)) continue
    // Passed over while its host slept, an earlier one has its turn when it wakes, and may leave the queue instead: then the
    // next has the session by its own host's look.
    if (asked.some((earlier) => wasPassedOver(earlier, next, ended, orders))) continue
    yield `P2: ${session} was handed to ${next.request} ${late} ms after ${before.request} had ended`
  }
}

function wasPassedOver(
  earlier: RunView,
  next: RunView & { startedAt: string },
  ended: number,
  orders: ReadonlyMap<string, Ordered>,
): boolean {
  if (earlier.startedAt !== null || earlier.outcome === null) return false
  const left = Date.parse(earlier.outcome.endedAt)
  const { host } = orders.get(earlier.request ?? '') as Ordered
  const slept = host.disturbances.some(({ from, to }) => from <= ended && ended <= to)
  return slept && ended <= left && left <= Date.parse(next.startedAt)
}

/** Whether a run that had asked before was still waiting when another was admitted. */
function waitedAt({ startedAt, outcome }: RunView, began: number, fence: number): boolean {
  if (startedAt !== null) return (outcome?.fence ?? 0) > fence && Date.parse(startedAt) > began
  return outcome !== null && Date.parse(outcome.endedAt) > began + commit
}

function byRequest(runs: readonly RunView[]): Map<string, RunView> {
  return new Map(runs.map((run) => [run.request ?? '', run] as const))
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => [name, sorted(each)]),
  )
}
