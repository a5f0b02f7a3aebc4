/**
 * What a thousand good sessions notice of four bad ones in the same process: a callback that never settles, a tool that writes
 * 1 GB, one that forks without pause, and a callback that fails at once, for ever. And what is left of callbacks that never settle.
 *
 *   node bench/isolation.ts [--json] [--minutes N]
 *
 * Rounds with the four and rounds without them take turns in one process, so that both meet the same machine. Its memory is watched
 * over all of them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openSupervisor } from 'coppice'
import { program } from './empty/zoo.ts'
import { Memory } from './isolation/memory.ts'
import { badNeighbours, Neighbourhood } from './isolation/neighbours.ts'
import { retainedBy } from './isolation/retained.ts'
import { goodRound, type Round } from './isolation/sessions.ts'
import { against, alone, linesTable } from './lines.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, minutes: { type: 'string', default: '8' } },
})
const minutes = Number(values.minutes)
/** Minutes, of those that it takes: caches and heaps fill, and the first rounds are not yet compiled. */
const warmUp = Math.min(3, minutes / 2)
/** Each session has a run every four seconds: a busy day of a gateway. */
const load = { sessions: 1_000, perSecond: 250, ms: 10_000 }
/** Callbacks that never settle, one after another. */
const forgotten = 1_000

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const supervisor = await openSupervisor({ state: join(folder, 'coppice.db'), runtimeDir: folder })
const quiet: Round[] = []
const loud: Round[] = []
const turns = new Map<string, number>()
const memory = new Memory()
const begun = performance.now()
while (performance.now() - begun < minutes * 60_000) {
  const isWarm = performance.now() - begun > warmUp * 60_000
  const without = await goodRound(supervisor, load)
  const bad = new Neighbourhood(supervisor, badNeighbours(program('fork-storm')))
  const among = await goodRound(supervisor, load)
  await bad.stop()
  for (const [name, count] of bad.turns) turns.set(name, (turns.get(name) ?? 0) + count)
  if (!isWarm) continue
  quiet.push(without)
  loud.push(among)
}
memory.stop()
const [least, most] = memory.range
const retained = await retainedBy(supervisor, forgotten)
await supervisor.close()
await rm(folder, { recursive: true, force: true })

const of = (rounds: readonly Round[], what: keyof Round) => rounds.map((round) => round[what])
const lines = [
  against('without them', 'a run among bad ones, p50', 'ms', of(loud, 'p50'), of(quiet, 'p50'), {
    atMost: 1.3,
  }),
  against('without them', 'a run among bad ones, p99', 'ms', of(loud, 'p99'), of(quiet, 'p99'), {
    atMost: 1.3,
  }),
  alone('event loop among bad ones, p99 of its delay', 'ms', of(loud, 'loopP99'), { atMost: 20 }),
  alone(
    `resident memory (${Math.round(least)} to ${Math.round(most)} MB), a minute`,
    'MB',
    [memory.slope(warmUp)],
    { atMost: 1 },
  ),
  alone('a callback that never settles retains', 'KB', [retained / 1024], { atMost: 2 }),
]
if (values.json === true) console.log(JSON.stringify({ lines, turns: Object.fromEntries(turns) }, null, 2))
else {
  const { sessions, perSecond, ms } = load
  console.log(
    `${availableParallelism()} processors, Node ${process.versions.node}, ${quiet.length} rounds each of ${ms} ms, ${sessions} sessions, ${perSecond} runs a second\n`,
  )
  console.log(linesTable(lines))
  console.log(`\nresident memory, MB, minute by minute: ${memory.minutes.map(Math.round).join(', ')}`)
  console.log(`${[...turns].map(([name, count]) => `${name}: ${count} times`).join('; ')}`)
}
