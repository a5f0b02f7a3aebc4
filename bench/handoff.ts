/**
 * How fast a session goes from one process to the next that waits for it, beside proper-lockfile with the best of some
 * pauses between its attempts; and what many sessions, and many waiters of one, cost a single process.
 *
 *   node bench/handoff.ts [--json]
 *
 * Rounds of the rivals take turns among the same processes, so that both meet the same machine at the same moment.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSupervisor } from 'coppice'
import { median, quantile } from './figures.ts'
import { Processes } from './handoff/processes.ts'
import { costPerRun, queueUp } from './handoff/sessions.ts'
import { against, alone, type Line, linesTable } from './lines.ts'

const rounds = 5
const roundMs = 1_500
/** Milliseconds: pauses of the rival, of which the best counts. */
const pauses = [1, 5, 20]

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const lines: Line[] = []
try {
  for (const count of [8, 64]) lines.push(...(await handOff(count)))
  lines.push(...(await oneProcess()))
} finally {
  await rm(folder, { recursive: true, force: true })
}

if (process.argv.includes('--json')) console.log(JSON.stringify(lines, null, 2))
else {
  console.log(
    `${availableParallelism()} processors, Node ${process.versions.node}, ${rounds} rounds of ${roundMs} ms\n`,
  )
  console.log(linesTable(lines))
}

async function handOff(count: number): Promise<Line[]> {
  await using processes = await Processes.start(count, folder)
  const ours: number[][] = []
  const theirs = new Map(pauses.map((pause) => [pause, [] as number[][]]))
  for (let round = 0; round <= rounds; round++) {
    const own = await processes.passRound({ how: 'coppice' }, roundMs)
    const others = []
    for (const retryMs of pauses)
      others.push([retryMs, await processes.passRound({ how: 'proper-lockfile', retryMs }, roundMs)] as const)
    // The first round warms up.
    if (round === 0) continue
    ours.push(own)
    for (const [pause, times] of others) theirs.get(pause)?.push(times)
  }
  const medians = (all: number[][]) => all.filter((times) => times.length > 0).map(median)
  const best = [...theirs.values()].map(medians).reduce((a, b) => (median(b) < median(a) ? b : a))
  const what = `hand-off among ${count} processes`
  return [
    alone(`${what}, p50`, 'ms', medians(ours), { atMost: 5 }),
    alone(
      `${what}, p99`,
      'ms',
      ours.map((times) => quantile(times, 0.99)),
      { atMost: 50 },
    ),
    against('proper-lockfile', `${what}, p50`, 'ms', medians(ours), best, { atMost: 0.1 }),
  ]
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
  const { cancels, idle, inOrder } = await queueUp(supervisor, 1_000, 10_000)
  await supervisor.close()
  return [
    against('10 sessions', 'a run among 1,000 sessions', 'ms', many, few, { atMost: 1.3 }),
    alone('cancel one of 1,000 waiters, p50', 'ms', cancels, { atMost: 5 }),
    alone('cancel one of 1,000 waiters, most', 'ms', cancels, { atMost: 5 }, 'most'),
    alone('processor while 1,000 wait, %', '', [idle * 100], { atMost: 1 }),
    alone('waiters admitted in order', '', [inOrder ? 1 : 0], { atLeast: 1 }),
  ]
}
