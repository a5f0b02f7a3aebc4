/**
 * How fast a tree is empty: 1,000 processes that ignore SIGTERM, half of them in process sessions of their own, beside
 * tree-kill; and storms of processes that fork and exit faster than they can be listed, without cgroup.kill.
 *
 *   node bench/empty.ts [--json]
 *
 * tree-kill runs `ps` for each process of the tree, which takes many seconds, so it has one round, between ours.
 */
import { availableParallelism } from 'node:os'
import { endByCoppice } from './empty/coppice.ts'
import { endByTreeKill } from './empty/rival.ts'
import { against, alone, type Line, linesTable } from './lines.ts'

const processes = 1_000
const rounds = 5

const lines = [
  ...(await thousand()),
  ...(await storm('fork-storm')),
  ...(await storm('fork-storm-of-sessions')),
]

if (process.argv.includes('--json')) console.log(JSON.stringify(lines, null, 2))
else {
  console.log(
    `${availableParallelism()} processors, Node ${process.versions.node}, ${2 * rounds} rounds, 1 of tree-kill\n`,
  )
  console.log(linesTable(lines))
}

async function thousand(): Promise<Line[]> {
  const what = `a tree of ${processes}`
  const end = async () => (await endByCoppice('thousand', [String(processes)])).ms
  await end()
  const before = await inTurn(rounds, end)
  const theirs = [await endByTreeKill('thousand', [String(processes)])]
  const ours = [...before, ...(await inTurn(rounds, end))]
  return [
    alone(`${what}, from kill to empty`, 'ms', ours, { atMost: 100 }),
    against('tree-kill', what, 'ms', ours, theirs, { atMost: 0.01 }),
  ]
}

/** A storm that has blown over by itself is no proof: how many had to be killed is told beside it. */
async function storm(name: string): Promise<Line[]> {
  const ended = await inTurn(2 * rounds, () => endByCoppice(name))
  const ms = ended.map((one) => one.ms)
  const killed = ended.map((one) => one.killed)
  return [
    alone(`${name}, from kill to empty`, 'ms', ms, { atMost: 3_000 }, 'most'),
    alone(`${name}, killed`, '', killed, { atLeast: 2 }),
  ]
}

async function inTurn<T>(times: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let time = 0; time < times; time++) results.push(await work())
  return results
}
