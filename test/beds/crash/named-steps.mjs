// Preloaded into a program that uses coppice: kills its process at a named step, or plants a fault. The shipped build has
// neither hook nor switch: the steps are lines of dist that are found again as its modules are loaded, in the main thread
// and in the keeper's. A line that is not found, or found twice, fails the program, so that no step goes missing unnoticed.
// The bundle has no such lines any more: in its place the program gets the modules that it was made of.
import { appendFileSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { threadId } from 'node:worker_threads'
import { mutants, steps } from './step-lines.ts'

const { COPPICE_CRASH_AT: crashAt = '', COPPICE_STEPS_TO: log, COPPICE_MUTANT: mutant } = process.env
const [crashStep, crashTime] = crashAt.split('@')
const times = new Map()
const dist = fileURLToPath(new URL('../../../dist/', import.meta.url))
const bundle = new URL('../../../dist/bundle/', import.meta.url).href

// Threads count for themselves, as strace does.
globalThis.coppiceReached = (step) => {
  const time = (times.get(step) ?? 0) + 1
  times.set(step, time)
  if (log !== undefined) appendFileSync(log, `${threadId} ${step}\n`)
  if (step === crashStep && time === Number(crashTime)) process.kill(process.pid, 'SIGKILL')
}

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    if (!found.url.startsWith(bundle)) return found
    return { ...found, url: new URL(`../${found.url.slice(bundle.length)}`, bundle).href }
  },
  load(url, context, next) {
    if (!url.startsWith('file:')) return next(url, context)
    const path = fileURLToPath(url)
    if (!path.startsWith(dist)) return next(url, context)
    const edits = editsOf(path.slice(dist.length))
    if (edits.length === 0) return next(url, context)
    const source = edits.reduce(edited, readFileSync(path, 'utf8'))
    return { format: 'module', source, shortCircuit: true }
  },
})

function editsOf(file) {
  const planted = mutant === undefined ? [] : mutants[mutant].edits
  const marks = Object.entries(steps).map(([step, { file, before }]) => ({
    file,
    find: before,
    put: `globalThis.coppiceReached('${step}');\n${before}`,
  }))
  return [...marks, ...planted].filter((edit) => edit.file === file)
}

function edited(source, { file, find, put }) {
  if (source.split(find).length !== 2) throw new Error(`${file}: not once there: ${find}`)
  return source.replace(find, () => put)
}
