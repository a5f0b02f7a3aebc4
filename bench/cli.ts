/**
 * What a person waits for at the command: its start beside that of Node itself, and the commands that look, with 10,000
 * ended runs in the state and a supervisor that has a session.
 *
 *   node bench/cli.ts [--json]
 *
 * Rounds take turns, so that all meet the same machine at the same moment; the first one is not counted.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSupervisor } from 'coppice'
import about from '../package.json' with { type: 'json' }
import { against, alone, type Line, report } from './lines.ts'

const rounds = 21
const pastRuns = 10_000
const atOnce = 250

/** What a user has installed: the bundle that package.json names, not the modules that it is made of. */
const command = fileURLToPath(new URL(`../${about.bin.coppice}`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'coppice-bench-'))
const state = join(folder, 'state.db')

const supervisor = await openSupervisor({ state })
for (let n = 0; n < pastRuns; n += atOnce)
  await Promise.all(
    Array.from({ length: atOnce }, (_, i) => supervisor.run({ session: `s${(n + i) % 100}` }, () => n)),
  )
const holder = await supervisor.begin({ session: 'held' })

const looks = {
  ps: ['ps'],
  'ps --tree': ['ps', '--tree'],
  sessions: ['sessions'],
  health: ['health'],
  doctor: ['doctor'],
  why: ['why', 'held'],
  show: ['show', holder.id],
}
const times = { node: [] as number[], version: [] as number[], help: [] as number[] }
const looking = Object.fromEntries(Object.keys(looks).map((name) => [name, [] as number[]]))

for (let round = 0; round <= rounds; round++) {
  const counted = round > 0
  const measure = async (into: number[] | undefined, args: readonly string[]) => {
    const took = await timeOf(args)
    if (counted) into?.push(took)
  }
  await measure(times.node, ['-e', '0'])
  await measure(times.version, [command, '--version'])
  await measure(times.help, [command, '--help'])
  for (const [name, args] of Object.entries(looks)) await measure(looking[name], [command, ...args])
}
await holder.end()
await supervisor.close()
rmSync(folder, { recursive: true })

const lines: Line[] = [
  against('node -e 0', '--version, wall', 'ms', times.version, times.node, { atMost: 1.3 }),
  against('node -e 0', '--help, wall', 'ms', times.help, times.node, { atMost: 3 }),
  ...Object.entries(looking).map(([name, took]) => alone(`${name}, wall`, 'ms', took, { atMost: 500 })),
]

report(lines, `${pastRuns} ended runs, medians of ${rounds} rounds`)

function timeOf(args: readonly string[]): Promise<number> {
  const since = performance.now()
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env: { ...process.env, COPPICE_STATE: state } }, (error) => {
      // That something is not as it should be is an answer too.
      if (error !== null && error.code !== 1) reject(error)
      else resolve(performance.now() - since)
    })
  })
}
