import type { Containment } from '../contract.js'
import { refuseLimits, withOwnerLimits } from '../limits.js'
import { processTable } from '../processes/processes.js'
import type { ProcessTable } from '../processes/table.js'
import { launchRoot } from './launch.js'
import { sweep } from './sweep.js'
import { GroupTree } from './tree.js'
import { openTreeKill } from './tree-kill.js'

export interface GroupOptions {
  /** Another process table than the platform's own, for tests. */
  readonly processes?: ProcessTable
}

/**
 * The containment that needs nothing but the system: each tree in a process group of its own, found again by
 * descent, group, process session and cookie. A program can leave all of these: its proof is never `empty`.
 */
export async function openGroup({ processes }: GroupOptions = {}): Promise<Containment> {
  const [table, treeKill] = await Promise.all([processes ?? processTable(), openTreeKill()])
  return {
    kind: 'group',
    async launch(request) {
      refuseLimits(withOwnerLimits(request, []), [], 'group')
      return new GroupTree(request, await launchRoot(request, table), table, treeKill)
    },
    sweep: (target) => sweep(target, table),
    renew() {},
    async close() {
      await treeKill?.close()
    },
  }
}
