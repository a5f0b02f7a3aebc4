import type { Cookie } from './table.js'

/** The names of the two variables by which a tree's processes are found again. */
export const runVariable = 'COPPICE_RUN'
export const treeVariable = 'COPPICE_TREE'

/** The cookie in a list of NAME=value; null where it holds neither variable. The first one counts, as in getenv(3). */
export function cookieIn(variables: readonly string[]): Cookie | null {
  const run = readVariable(runVariable, variables)
  const tree = readVariable(treeVariable, variables)
  return run === null && tree === null ? null : { run, tree }
}

/** True for the run at `path` itself and every run below it: `a` covers `a` and `a/b`, not `ab`. */
export function isRunWithin(path: string, run: string | null): boolean {
  return run !== null && (run === path || run.startsWith(`${path}/`))
}

function readVariable(name: string, variables: readonly string[]): string | null {
  const found = variables.find((variable) => variable.startsWith(`${name}=`))
  return found === undefined ? null : found.slice(name.length + 1)
}
