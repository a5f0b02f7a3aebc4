/**
 * What a launch costs the host: `true` up to its complete result, one by one and 300 at once, beside
 * child_process.spawn and execa; with 2 GB resident in the host; what a guard takes, how fast output passes, and
 * whether anything grows.
 *
 *   node bench/launch.ts [--json]
 *
 * Rounds of the rivals take turns in one process, so that all meet the same machine at the same moment.
 */
import { atOnce } from './launch/at-once.ts'
import { growth } from './launch/growth.ts'
import { guardMemory } from './launch/guard-memory.ts'
import { oneByOne } from './launch/one-by-one.ts'
import { throughput } from './launch/throughput.ts'
import { against, alone, type Line, report } from './lines.ts'

const trees = 10_000

const lines = [
  ...(await small()),
  ...(await burst()),
  ...(await memory()),
  ...(await output()),
  ...(await lasting()),
  // Last: what it makes resident may stay so.
  ...(await large()),
]

report(lines, 'medians of rounds')

async function small(): Promise<Line[]> {
  const { coppice, spawn, execa } = await oneByOne({
    rounds: 21,
    launches: { coppice: 50, spawn: 50, execa: 50 },
  })
  return [
    against('spawn', 'launch of true, wall', 'ms', coppice.wall, spawn.wall, { atMost: 1 }),
    against('spawn', 'launch of true, loop', 'ms', coppice.loop, spawn.loop, { atMost: 0.35 }),
    against('execa', 'launch of true, wall', 'ms', coppice.wall, execa.wall, { atMost: 0.6 }),
  ]
}

async function large(): Promise<Line[]> {
  const gigabytes = [Buffer.alloc(1024 ** 3, 1), Buffer.alloc(1024 ** 3, 1)]
  const { coppice, spawn } = await oneByOne({ rounds: 7, launches: { coppice: 50, spawn: 5 } })
  const resident = `with ${gigabytes.length} GB resident`
  return [
    against('spawn', `${resident}, wall`, 'ms', coppice.wall, spawn.wall, { atMost: 0.05 }),
    against('spawn', `${resident}, loop`, 'ms', coppice.loop, spawn.loop, { atMost: 0.05 }),
  ]
}

async function burst(): Promise<Line[]> {
  const count = 300
  const { wall, delay } = await atOnce(count, 9)
  return [
    against('spawn', `${count} at once, wall`, 'ms', wall.coppice, wall.spawn, { atMost: 0.5 }),
    alone(`${count} at once, loop delay p99`, 'ms', delay.coppice, { atMost: 20 }),
  ]
}

async function memory(): Promise<Line[]> {
  const one = await guardMemory(1)
  const many = await guardMemory(100)
  if (one === null || many === null) {
    process.stderr.write('a guard’s memory is for root to read: left out\n')
    return []
  }
  return [
    alone('memory of an only guard', 'KB', one, { atMost: 400 }, 'most'),
    alone('memory of each of 100 guards', 'KB', many, { atMost: 400 }, 'most'),
  ]
}

async function output(): Promise<Line[]> {
  const { coppice, spawn } = await throughput(7)
  return [against('spawn', '1 GB of output', 'MB/s', coppice, spawn, { atLeast: 0.9 })]
}

async function lasting(): Promise<Line[]> {
  const more = await growth(trees)
  return Object.entries(more).map(([what, count]) =>
    alone(`${what} more after ${trees} trees`, '', [count], { atMost: 0 }, 'most'),
  )
}
