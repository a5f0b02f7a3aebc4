import { processTable } from '../../containment/processes/processes.js'
import type { CookieReading, ProcessEntry } from '../../containment/processes/table.js'
import { usageOf } from '../../containment/processes/usage.js'
import type { Identity } from '../../identity.js'
import type { StoredTree } from '../../store/records.js'
import type { TreeProcess } from '../doing.js'
import type { Keeper } from './keeper.js'

/**
 * The processes of the trees that run, of these runs: what descends from a tree's root or was given to its guard, and what
 * carries the tree's cookie. Those of another machine or pid namespace are not seen from here.
 */
export async function processesOf(keeper: Keeper, runs: readonly string[]): Promise<TreeProcess[]> {
  const stored = await Promise.all(runs.map((run) => keeper.store.trees(run)))
  const trees = stored.flat().filter(({ end, root }) => end === null && isHere(keeper, root))
  if (trees.length === 0) return []
  const table = await processTable()
  const all = await table.list()
  const cookies = await table.cookiesOf(all.map(({ pid }) => pid))
  return (await Promise.all(trees.map((tree) => processesOfTree(tree, all, cookies)))).flat()
}

function isHere({ identity }: Keeper, { bootId, pidNamespace }: Identity): boolean {
  return bootId === identity.bootId && pidNamespace === identity.pidNamespace
}

async function processesOfTree(
  { tree, root }: StoredTree,
  all: readonly ProcessEntry[],
  cookies: ReadonlyMap<number, CookieReading>,
): Promise<TreeProcess[]> {
  const carries = ({ pid }: ProcessEntry) => {
    const cookie = cookies.get(pid)
    return cookie !== undefined && cookie !== null && cookie !== 'unknown' && cookie.tree === tree
  }
  const members = new Set(all.filter((one) => carries(one) || isSame(one, root)))
  // Whatever lost its parent in a tree is the guard's child.
  const guards = new Set([...members].map(({ ppid }) => ppid).filter((pid) => isGuard(all, pid)))
  const parents = new Set([...guards, ...[...members].map(({ pid }) => pid)])
  for (let found = true; found; ) {
    found = false
    for (const one of all) {
      if (members.has(one) || !parents.has(one.ppid)) continue
      members.add(one)
      parents.add(one.pid)
      found = true
    }
  }
  const shown = [...members]
  const usage = new Map((await usageOf(shown)).map((one) => [one.pid, one]))
  return shown.flatMap(({ pid, ppid, name }) => {
    const used = usage.get(pid)
    if (used === undefined) return []
    const { state, ageMs, cpuMs, residentBytes } = used
    return [{ tree, pid, ppid, name, state, ageMs, cpuMs, residentBytes }]
  })
}

function isSame({ pid, startTime }: ProcessEntry, root: Identity): boolean {
  return pid === root.pid && startTime === root.startTime
}

function isGuard(all: readonly ProcessEntry[], pid: number): boolean {
  return all.find((one) => one.pid === pid)?.name === 'coppice-guard'
}
