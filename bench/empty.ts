/**
 * How fast a tree is empty: 1,000 processes that ignore SIGTERM, half of them in process sessions of their own, beside
 * tree-kill; and storms of processes that fork and exit faster than they can be listed. With cgroup.kill, where this
 * machine lets us make cgroups, and without.
 *
 *   node bench/empty.ts [--json]
 *
 * tree-kill runs `ps` for each process of the tree, which takes many seconds, so it has one round, between ours.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCoppiceError, openSupervisor, type Run } from 'coppice'
import { endByCoppice } from './empty/coppice.ts'
import { endByTreeKill } from './empty/rival.ts'
import { against, alone, type Line, report } from './lines.ts'

const processes = 1_000
const rounds = 5
/** Seconds, longer than any bound of theirs: a storm that blew over by itself is no proof. How many had to be killed is told beside it. */
const stormSeconds = '30'

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const lines = [
  ...(await within('cgroup', (run) =>
    storms(run, 'cgroup', (ms, what) => alone(what, 'ms', ms, { atMost: 50 })),
  )),
  ...(await within('guard', async (run) => [
    ...(await thousand(run)),
    ...(await storms(run, 'guard', (ms, what) => alone(what, 'ms', ms, { atMost: 3_000 }, 'most'))),
  ])),
]
await rm(folder, { recursive: true, force: true })

report(lines, `${2 * rounds} rounds, 1 of tree-kill`)

async function within(
  containment: 'cgroup' | 'guard',
  measure: (run: Run) => Promise<Line[]>,
): Promise<Line[]> {
  try {
    const supervisor = await openSupervisor({ state: join(folder, `${containment}.db`), containment })
    try {
      return await supervisor.run({}, measure)
    } finally {
      await supervisor.close()
    }
  } catch (error) {
    if (!isCoppiceError(error, 'launch_failed')) throw error
    console.error(`not measured: ${error.message}`)
    return []
  }
}

async function thousand(run: Run): Promise<Line[]> {
  const what = `a tree of ${processes}`
  const end = async () => (await endByCoppice(run, 'thousand', [String(processes)])).ms
  await end()
  const before = await inTurn(rounds, end)
  const theirs = [await endByTreeKill('thousand', [String(processes)])]
  const ours = [...before, ...(await inTurn(rounds, end))]
  return [
    alone(`${what}, from kill to empty`, 'ms', ours, { atMost: 100 }),
    against('tree-kill', what, 'ms', ours, theirs, { atMost: 0.01 }),
  ]
}

async function storms(run: Run, kind: string, line: (ms: number[], what: string) => Line): Promise<Line[]> {
  const lines = []
  for (const name of ['fork-storm', 'fork-storm-of-sessions']) {
    const ended = await inTurn(2 * rounds, () => endByCoppice(run, name, [stormSeconds]))
    const ms = ended.map((one) => one.ms)
    const killed = ended.map((one) => one.killed)
    lines.push(line(ms, `${name}, ${kind}, from kill to empty`))
    lines.push(alone(`${name}, ${kind}, killed`, '', killed, { atLeast: 2 }))
  }
  return lines
}

async function inTurn<T>(times: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let time = 0; time < times; time++) results.push(await work())
  return results
}
