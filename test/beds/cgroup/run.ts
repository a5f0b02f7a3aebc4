// Runs what needs a cgroup v2 hierarchy with its controllers, in machines of the bed's own, and then the bed's own tests.
// Writes what came of all where vitest writes its results.
//
//   npm run test:cgroup [-- SUITE...]
import type { Results } from '../results.ts'
import { runOutHere, summarize } from '../summary.ts'
import { runInMachine, type Suite } from './machine.ts'

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
process.exitCode = summarize('cgroup', all) ? 0 : 1

async function inMachine(suites: readonly Suite[]): Promise<Results[]> {
  const chosen = suites.filter(isWanted)
  const names = chosen.map(({ name }) => name).join('+')
  if (chosen.length === 0) return []
  return runInMachine({ suites: chosen, bound }, (line) => console.log(`${names}: ${line}`))
}

/** What machines that misbehave come to. */
async function andItself(results: readonly Results[]): Promise<Results[]> {
  if (!isWanted({ name: 'bed' })) return [...results]
  return [...results, await runOutHere('bed', ['beds/cgroup/machine'], bound)]
}
