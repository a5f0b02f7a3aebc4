// Runs what needs a cgroup v2 hierarchy with its controllers, each machine's suites in a machine of its own, and writes what
// came of all to vitest's results.json. `npm run test:cgroup`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Machine, runInMachine } from './machine.ts'
import { sum } from './results.ts'

const nobody = 65534
const bound = 400_000

/** Two, for two processors: a machine has one. */
const machines: readonly Machine[] = [
  {
    bound,
    suites: [{ name: 'root', user: 0, files: ['containment/cgroup.test.ts', 'supervisor/limits.test.ts'] }],
  },
  {
    bound,
    suites: [
      { name: 'limits', user: 0, files: ['beds/cgroup/inside'] },
      { name: 'user', user: nobody, files: ['containment/cgroup.test.ts', 'beds/cgroup/inside/limits'] },
    ],
  },
]

const wanted = process.argv.slice(2)
const chosen = machines
  .map((machine) => ({
    ...machine,
    suites: machine.suites.filter(({ name }) => wanted.length === 0 || wanted.includes(name)),
  }))
  .filter(({ suites }) => suites.length > 0)

const results = await Promise.all(chosen.map((machine) => runInMachine(machine, console.log)))
const all = results.flat()
for (const { lost } of all) if (lost !== undefined) console.error(`coppice: cgroup bed: ${lost}`)
const total = sum(all)
const file = new URL('../../../node_modules/.vitest/results.json', import.meta.url)
mkdirSync(fileURLToPath(new URL('.', file)), { recursive: true })
writeFileSync(file, JSON.stringify(total))
console.log(
  `\n${total.numPassedTests} passed, ${total.numFailedTests} failed, ${total.numPendingTests} skipped`,
)
process.exitCode = total.success && total.numFailedTests === 0 && total.numPassedTests > 0 ? 0 : 1
