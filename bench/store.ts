/**
 * What the store costs: durable runs a second, beside proper-lockfile's lock and unlock, which leave no record; the
 * longest that it keeps the host's event loop from turning; and how long a renewal takes while another process commits.
 *
 *   node bench/store.ts [--json]
 *
 * Rounds of the two rivals take turns in one process, so that both meet the same disk and the same neighbours.
 *
 * The rival's figure depends on what was deleted lately: ext4 without a journal takes no inode again within five
 * minutes, and a search for one that it may take is most of what `lock` then costs. Coppice makes no files.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ownThread } from '#src/containment/own-thread.js'
import { count, inMs, median, quantile, spread, table } from './figures.ts'
import type { Round } from './store/cycles.ts'
import type { Order } from './store/keeper.ts'
import { lockAndUnlock } from './store/rival.ts'
import { longestWaitDuring } from './store/waits.ts'

const rounds = 5
const roundMs = 700
const targets: Record<number, number> = { 1: 0.5, 16: 0.5, 256: 8 }
const renewals = 2_000

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const state = join(folder, 'coppice.db')
const keeper = new Worker(new URL('./store/keeper.ts', import.meta.url), {
  workerData: { state, hostThread: ownThread() },
})

try {
  const throughput = []
  for (const sessions of [1, 16, 256]) throughput.push(await compare(sessions))
  const renewal = { alone: await renew(0), loaded: await renew(16) }
  await ask({ what: 'close' })
  if (process.argv.includes('--json')) console.log(JSON.stringify({ throughput, renewal }, null, 2))
  else print(throughput, renewal)
} finally {
  await keeper.terminate()
  await rm(folder, { recursive: true, force: true })
}

async function compare(sessions: number) {
  const ours = []
  const theirs = []
  const idle = []
  const busy = []
  for (let round = 0; round <= rounds; round++) {
    const measured = await ask<Round>({ what: 'cycles', sessions, ms: roundMs })
    const rival = await lockAndUnlock(join(folder, 'locks'), sessions, roundMs)
    const withStore = await longestWaitDuring(() => ask<Round>({ what: 'cycles', sessions, ms: roundMs }))
    const without = await longestWaitDuring(() => sleep(roundMs))
    // The first round warms up code, caches and the file.
    if (round === 0) continue
    ours.push(perSecond(measured))
    busy.push(withStore)
    theirs.push(perSecond(rival))
    idle.push(without)
  }
  return {
    sessions,
    coppice: spread(ours),
    properLockfile: spread(theirs),
    ratio: median(ours) / median(theirs),
    target: targets[sessions] ?? 0,
    longestWaitMs: { coppice: spread(busy), idle: spread(idle) },
  }
}

async function renew(load: number) {
  const program = join(import.meta.dirname, 'store', 'neighbour.ts')
  const neighbour = spawn(process.execPath, [program, state], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(neighbour, 'exit')
  const lines = createInterface({ input: neighbour.stdout })[Symbol.asyncIterator]()
  await lines.next()
  const failed = ended.then(() => Promise.reject(new Error('the neighbour ended too early')))
  const latencies = await Promise.race([ask<number[]>({ what: 'renewals', count: renewals, load }), failed])
  failed.catch(() => {})
  neighbour.stdin.end()
  const { value } = await lines.next()
  await ended
  return {
    load,
    neighbourPerSecond: Number(value),
    p50: median(latencies),
    p99: quantile(latencies, 0.99),
    max: Math.max(...latencies),
  }
}

async function ask<T>(order: Order): Promise<T> {
  keeper.postMessage(order)
  const [answer] = await once(keeper, 'message')
  return answer
}

function perSecond({ cycles, ms }: Round): number {
  return (cycles / ms) * 1_000
}

type Comparison = Awaited<ReturnType<typeof compare>>
type Renewal = Awaited<ReturnType<typeof renew>>

function print(throughput: readonly Comparison[], renewal: { alone: Renewal; loaded: Renewal }): void {
  const range = ({ least, most }: { least: number; most: number }) => `${count(least)}–${count(most)}`
  console.log(
    `${availableParallelism()} processors, Node ${process.versions.node}, ${rounds} rounds of ${roundMs} ms\n`,
  )
  console.log('Durable runs a second (admit and finish), against lock and unlock:\n')
  console.log(
    table([
      ['sessions', 'coppice', 'range', 'proper-lockfile', 'range', 'ratio', 'target'],
      ...throughput.map(({ sessions, coppice, properLockfile, ratio, target }) => [
        String(sessions),
        count(coppice.median),
        range(coppice),
        count(properLockfile.median),
        range(properLockfile),
        `${ratio.toFixed(2)}x`,
        `>= ${target}x`,
      ]),
    ]),
  )
  console.log('\nLongest that the host’s event loop kept something waiting in a round (target: 5 ms):\n')
  console.log(
    table([
      ['sessions', 'median', 'most', 'without the store', 'most'],
      ...throughput.map(({ sessions, longestWaitMs: { coppice, idle } }) => [
        String(sessions),
        inMs(coppice.median),
        inMs(coppice.most),
        inMs(idle.median),
        inMs(idle.most),
      ]),
    ]),
  )
  console.log(
    `\n${count(renewals)} renewals while another process commits all the time (target: p99 < 20 ms):\n`,
  )
  console.log(
    table([
      ['sessions at work here', 'p50', 'p99', 'max', 'neighbour’s runs a second'],
      ...Object.values(renewal).map(({ load, p50, p99, max, neighbourPerSecond }) => [
        String(load),
        inMs(p50),
        inMs(p99),
        inMs(max),
        count(neighbourPerSecond),
      ]),
    ]),
  )
}
