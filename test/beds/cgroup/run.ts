// Runs what needs a cgroup v2 hierarchy with its controllers, in machines of the bed's own, and then the bed's own tests.
// Writes what came of all to vitest's results.json.
//
//   npm run test:cgroup [-- SUITE...]
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exec } from 'coppice/exec'
import { runInMachine, type Suite } from './machine.ts'
import { type Results, resultsOf, sum } from './results.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const file = join(root, 'node_modules/.vitest/results.json')
const nobody = 65534
/** For what takes a minute and a half on a quiet machine. */
const bound = 400_000

const containment = ['containment/cgroup.test.ts', 'beds/cgroup/inside/delegated']

/** Two machines, for two processors: each has one. */
const first: Suite[] = [
  { name: 'root', user: 0, files: [...containment, 'supervisor/limits.test.ts'] },
  { name: 'user', user: nobody, files: [...containment, 'beds/cgroup/inside/limits'] },
]
const second: Suite[] = [{ name: 'inside', user: 0, files: ['beds/cgroup/inside'] }]

const wanted = process.argv.slice(2)
const isWanted = ({ name }: { name: string }) => wanted.length === 0 || wanted.includes(name)

const all = (await Promise.all([inMachine(first), inMachine(second).then(andItself)])).flat()
for (const { lost } of all) if (lost !== undefined) console.error(`coppice: cgroup bed: ${lost}`)
const total = sum(all)
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, JSON.stringify(total))
const { numPassedTests, numFailedTests, numPendingTests } = total
console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
process.exitCode = total.success && numFailedTests === 0 && numPassedTests > 0 ? 0 : 1

async function inMachine(suites: readonly Suite[]): Promise<Results[]> {
  const chosen = suites.filter(isWanted)
  const names = chosen.map(({ name }) => name).join('+')
  if (chosen.length === 0) return []
  return runInMachine({ suites: chosen, bound }, (line) => console.log(`${names}: ${line}`))
}

async function andItself(results: readonly Results[]): Promise<Results[]> {
  return isWanted({ name: 'bed' }) ? [...results, await itself()] : [...results]
}

/** What machines that misbehave come to, by a vitest out here. */
async function itself(): Promise<Results> {
  rmSync(file, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--config', join(root, 'test/vitest.config.ts'), 'beds/cgroup/machine']
  const bed = exec(process.execPath, args, { timeout: bound })
  for await (const line of bed) console.log(`bed: ${line}`)
  const { ended, exit, stderr } = await bed
  console.error(stderr)
  return resultsOf('bed', readIfThere(file), `its vitest ended as ${ended} with ${exit.signal ?? exit.code}`)
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
