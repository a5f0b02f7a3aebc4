import type { Identity } from '../../identity.js'
import { membersOf } from '../group/sweep.js'
import { lineage } from '../group/tree-processes.js'
import { guardsAbove } from '../guard/remains.js'
import { isRunWithin } from '../processes/cookie.js'
import { processTable } from '../processes/processes.js'
import type { ProcessEntry } from '../processes/table.js'

/** Processes that bear the mark of a run, as far as their environments can be read. */
export interface Marked {
  /** The cookie: a run, or runs in one another. */
  readonly path: string
  readonly processes: readonly ProcessEntry[]
  /** Whether a guard that lives owns one of them: then it is somebody's tree, or is being ended. */
  readonly isGuarded: boolean
}

/** Whoever lives and bears a run's mark, but for ourselves and those that we live below. */
export async function markedProcesses(): Promise<Marked[]> {
  const table = await processTable()
  const processes = await table.list()
  const candidates = livingStrangers(processes, table.self.pid)
  const cookies = await table.cookiesOf(candidates.map(({ pid }) => pid))
  const byPath = Map.groupBy(candidates, ({ pid }) => {
    const cookie = cookies.get(pid)
    return cookie === undefined || cookie === null || cookie === 'unknown' ? null : cookie.run
  })
  return [...byPath].flatMap(([path, marked]) =>
    path === null ? [] : [{ path, processes: marked, isGuarded: guardsAbove(marked, processes).length > 0 }],
  )
}

/** Everything that is left of a run's trees: by mark, by descent, and by the roots that were recorded. */
export async function remainsOf(path: string, roots: readonly Identity[]): Promise<Omit<Marked, 'path'>> {
  const table = await processTable()
  const processes = await table.list()
  const claims = ({ run }: { readonly run: string | null }) => isRunWithin(path, run)
  const membership = membersOf({ roots, claims, lastWords: [], grace: 0, killBound: 0 }, table)
  const strangers = new Set(livingStrangers(processes, table.self.pid))
  const found = (await membership.members(processes)).filter((one) => strangers.has(one))
  return { processes: found, isGuarded: guardsAbove(found, processes).length > 0 }
}

/** Launchers and guards have the environment of who started them, and are no tools. */
function livingStrangers(processes: readonly ProcessEntry[], self: number): ProcessEntry[] {
  const ours = lineage(self, processes)
  return processes.filter(
    (one) => one.state === 'alive' && !ours.has(one.pid) && one.ppid !== 2 && !/^coppice-/.test(one.name),
  )
}
