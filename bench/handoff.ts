/**
 * How fast a session goes from one process to the next that waits for it, beside proper-lockfile with the fastest of some
 * pauses between its attempts, and what it costs both to wait; and what many sessions, and many waiters of one, cost a single process.
 *
 *   node bench/handoff.ts [--json]
 *
 * Rounds of the rivals take turns among the same processes, so that both meet the same machine at the same moment.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { median, quantile } from './figures.ts'
import type { Passing } from './handoff/host.ts'
import { Processes, type Round } from './handoff/processes.ts'
import { costPerRun, queueUp } from './handoff/sessions.ts'
import { against, alone, type Line, report } from './lines.ts'

const rounds = 5
const roundMs = 2_000
/** Milliseconds: pauses of the rival, of which the best counts. */
const pauses = [1, 5, 20, 100]

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const lines: Line[] = []
try {
  for (const count of [8, 64]) lines.push(...(await handOff(count)))
  lines.push(...(await oneProcess()))
} finally {
  await rm(folder, { recursive: true, force: true })
}

report(lines, `${rounds} rounds of ${roundMs} ms`)

async function handOff(count: number): Promise<Line[]> {
  await using processes = await Processes.start(count, folder)
  const coppice: Passing = { how: 'coppice' }
  const rivals = pauses.map((retryMs): Passing => ({ how: 'proper-lockfile', retryMs }))
  const found = new Map<Passing, Round[]>([coppice, ...rivals].map((passing) => [passing, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [passing, all] of found) {
      const measured = await processes.passRound(passing, roundMs)
      // The first round warms up.
      if (round > 0) all.push(measured)
    }
  }
  const medians = (passing: Passing, what: 'toAny' | 'toNext') =>
    (found.get(passing) ?? []).map((round) => median(round[what]))
  const processors = (passing: Passing) => (found.get(passing) ?? []).map((round) => round.processors * 100)
  const bestFor = (what: 'toAny' | 'toNext') =>
    rivals.reduce((a, b) => (median(medians(b, what)) < median(medians(a, what)) ? b : a))
  const what = `${count} processes, hand-off`
  const p99 = (found.get(coppice) ?? []).map((round) => quantile(round.toNext, 0.99))
  return [
    alone(`${what}, p50`, 'ms', medians(coppice, 'toNext'), { atMost: 5 }),
    alone(`${what}, p99`, 'ms', p99, { atMost: 50 }),
    ...(['toNext', 'toAny'] as const).map((measure) => {
      const best = bestFor(measure)
      const to = measure === 'toNext' ? 'who waited longest' : 'any of them'
      const [ours, theirs] = [medians(coppice, measure), medians(best, measure)]
      return against(rivalName(best), `${what} to ${to}`, 'ms', ours, theirs, { atMost: 0.1 })
    }),
    ...rivals.map((rival) =>
      against(
        rivalName(rival),
        `${count} processes, processor, %`,
        '',
        processors(coppice),
        processors(rival),
        {
          atMost: 1,
        },
      ),
    ),
  ]
}

function rivalName(passing: Passing): string {
  return 'retryMs' in passing ? `proper-lockfile, retry ${passing.retryMs} ms` : passing.how
}

async function oneProcess(): Promise<Line[]> {
  const supervisor = await openSupervisor({ state: join(folder, 'one.db') })
  const few: number[] = []
  const many: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const ten = await costPerRun(supervisor, 10, 200)
    const thousand = await costPerRun(supervisor, 1_000, 20)
    if (round === 0) continue
    few.push(ten)
    many.push(thousand)
  }
  const { cancels, idle, cancelAfterIdle, inOrder } = await queueUp(supervisor, 1_000, 10_000)
  await supervisor.close()
  const ours = idle.map((one) => one.ours * 100)
  const theirs = idle.map(({ node }) => node * 100)
  return [
    against('10 sessions', 'a run among 1,000 sessions', 'ms', many, few, { atMost: 1.3 }),
    alone('cancel one of 1,000 waiters, p50', 'ms', cancels, { atMost: 5 }),
    alone('cancel one of 1,000 waiters, most', 'ms', cancels, { atMost: 5 }, 'most'),
    alone('cancel one after a minute without work', 'ms', [cancelAfterIdle], { atMost: 5 }),
    alone('processor while 1,000 wait, %', '', ours, { atMost: 1 }),
    against('a Node with a timer of 1 s', 'processor while 1,000 wait, %', '', ours, theirs, { atMost: 5 }),
    alone('waiters admitted in order', '', [inOrder ? 1 : 0], { atLeast: 1 }),
  ]
}
