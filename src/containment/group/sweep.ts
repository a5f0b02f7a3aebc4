import type { SweepTarget, TreeReport } from '../contract.js'
import { isRunWithin } from '../processes/cookie.js'
import type { Cookie, ProcessEntry, ProcessTable } from '../processes/table.js'
import { Membership } from './membership.js'
import { Pause } from './pause.js'
import { groupReport } from './report.js'
import { TreeProcesses } from './tree-processes.js'

/** Ends what a dead supervisor left of a run. */
export function sweep(target: SweepTarget, table: ProcessTable): Promise<TreeReport> {
  return endRemains({ ...target, claims: ({ run }) => isRunWithin(target.run, run) }, table)
}

/** What somebody left who cannot end it any more. */
export interface Remains extends Omit<SweepTarget, 'run'> {
  /** Whether a process with this cookie belongs to it. */
  claims(cookie: Cookie): boolean
}

export function membersOf({ roots, claims }: Remains, table: ProcessTable): Membership {
  const { bootId, pidNamespace } = table.self
  return new Membership(table, {
    // Roots of another boot are gone; those of another pid namespace have numbers that mean nothing here.
    roots: roots.filter((root) => root.bootId === bootId && root.pidNamespace === pidNamespace),
    groupsAreOurs: false,
    claims,
    // A crash may have come between a launch and its recording: the first root is not known.
    since: null,
  })
}

/** Nothing of it is our child, so each process is signalled by identity. */
export async function endRemains(target: Remains, table: ProcessTable): Promise<TreeReport> {
  const membership = membersOf(target, table)
  const processes = new TreeProcesses(table, membership, null)
  let lingered: readonly ProcessEntry[] | null = null

  const left = async () => {
    const living = await processes.living()
    lingered ??= living
    return processes.reachable(living)
  }
  /** True once none is left, false where the time is up. Where the list cannot be had, nobody knows. */
  const emptyWithin = async (milliseconds: number, act: typeof left) => {
    const pause = new Pause()
    const until = performance.now() + milliseconds
    let interval = shortestInterval
    for (;;) {
      const found = await act().catch(() => null)
      if (found?.length === 0) return true
      const remaining = until - performance.now()
      if (remaining <= 0) return false
      await pause.for(Math.min(interval, remaining))
      interval = Math.min(longestInterval, interval * 1.5)
    }
  }
  const kill = async () => {
    const found = await left()
    await processes.kill(found)
    return found
  }

  const end = async () => {
    let isEmpty = (await left().catch(() => null))?.length === 0
    if (!isEmpty && target.grace > 0) {
      await processes.terminate()
      isEmpty = await emptyWithin(target.grace, left)
    }
    if (!isEmpty) {
      await processes.killStopped(null)
      await emptyWithin(target.killBound, kill)
    }
  }

  const until = performance.now() + target.grace + target.killBound
  for (;;) {
    await end()
    const living = await processes.living()
    // On a machine so busy that environments were not read in their time, somebody is seen only now.
    if (processes.reachable(living).length === 0 || performance.now() >= until)
      return groupReport(processes.killed, lingered ?? [], living)
  }
}

const shortestInterval = 5
const longestInterval = 100
