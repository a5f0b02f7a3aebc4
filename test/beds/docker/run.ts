// Builds an image of the project as examples/docker does it, and runs the tests in containers of it and the bed's own tests
// out here. Writes what came of all to vitest's results.json.
//
//   npm run test:docker [-- SUITE...]
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from 'coppice/exec'
import { type Results, resultsOf } from '../results.ts'
import { readIfThere, runOutHere, summarize } from '../summary.ts'
import { startEngine } from './engine.ts'
import { buildImages, tests } from './images.ts'
import { type FirstProcess, hardened, inContainer } from './places.ts'

/** For what takes a minute and a half on a quiet machine. */
const bound = 400_000

interface Suite {
  readonly name: string
  readonly first: FirstProcess
  readonly flags: readonly string[]
  readonly files: readonly string[]
}

/** What rests on who is PID 1, on signals and on processes. */
const ofProcesses = [
  'containment/guard.test',
  'supervisor/killed',
  'supervisor/owners',
  'supervisor/processes',
  'cli/run.test',
]
const ofEverything = [
  ...ofProcesses,
  'containment/group',
  'containment/open.test',
  'containment/processes.test',
  'store/sqlite',
  'supervisor/ending.test',
  'supervisor/shutdown',
  'supervisor/taking-over',
]
const bounded = [...hardened, '--pids-limit=2048', '--memory=3g', '--memory-swap=3g']
const all: readonly Suite[] = [
  {
    name: 'hardened',
    first: 'tini',
    flags: bounded,
    files: ofEverything,
  },
  { name: 'node', first: 'node', flags: bounded, files: ofProcesses },
  { name: 'default', first: 'docker-init', flags: [], files: ofProcesses },
]

const wanted = process.argv.slice(2)
const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name)
const say = (line: string) => console.log(`docker bed: ${line}`)

// A folder is mounted there, and what it lies in is read-only.
mkdirSync(join(import.meta.dirname, '../../../node_modules/.vitest'), { recursive: true })
const engine = await startEngine()
const results: Results[] = []
try {
  await buildImages(say)
  for (const suite of all) if (isWanted(suite.name)) results.push(await runInside(suite))
  if (isWanted('bed'))
    results.push(await runOutHere('bed', ['beds/docker'], bound, { DOCKER_HOST: engine.host }))
} finally {
  await engine.close()
}
process.exitCode = summarize('docker', results) ? 0 : 1

async function runInside({ name, first, flags, files }: Suite): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'coppice-bed-'))
  const out = join(folder, 'results')
  mkdirSync(out)
  // The container's user is another one.
  chmodSync(folder, 0o755)
  chmodSync(out, 0o777)
  const mounts = [...tests, `--volume=${out}:/coppice/node_modules/.vitest`]
  const vitest = ['node', 'node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']
  const command = [...inContainer(first, ['--rm', '--env=NO_COLOR=1', ...flags, ...mounts]), ...vitest]
  say(`${name}: PID 1 is ${first}; docker ${command.join(' ')} ${files.join(' ')}`)
  try {
    const running = exec('docker', [...command, '--configLoader', 'runner', '--maxWorkers=3', ...files], {
      timeout: bound,
    })
    for await (const line of running) console.log(`${name}: ${line.trimEnd()}`)
    const { ended, exit, stderr } = await running
    console.error(stderr)
    const how = `its container ended as ${ended} with ${exit.signal ?? exit.code}`
    return resultsOf(name, readIfThere(join(out, 'results.json')), how)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
