import type { TreeReport } from '../contract.js'
import { Pause } from '../group/pause.js'
import { endRemains, membersOf, type Remains } from '../group/sweep.js'
import type { ProcessEntry, ProcessTable } from '../processes/table.js'
import { type LastWord, takeLastWord } from './last-word.js'

/** A guard writes it in the moment in which it has seen its tree empty. */
async function lastWord(path: string): Promise<LastWord | null> {
  const pause = new Pause()
  const until = performance.now() + wordBound
  for (;;) {
    const word = await takeLastWord(path)
    if (word !== null || performance.now() > until) return word
    await pause.for(shortestInterval)
  }
}

const wordBound = 500

/** The name that a guard gives itself. */
const guardName = 'coppice-guard'

const shortestInterval = 10
const longestInterval = 100

/**
 * Ends what a supervisor or a launcher left that is gone. Its guards are at it already: they are waited for, since a
 * second SIGTERM would tell a tool to hurry, and a killed guard would let go of what it holds. What has no guard, or
 * one that takes longer than its bounds, is ended here.
 */
export async function endGuardedRemains(target: Remains, table: ProcessTable): Promise<TreeReport> {
  const membership = membersOf(target, table)
  const pause = new Pause()
  const until = performance.now() + target.grace + target.killBound
  for (let interval = shortestInterval; performance.now() < until; interval *= 1.5) {
    if ((await guardedMembers()).length === 0) break
    await pause.for(Math.min(interval, longestInterval))
  }
  const words = await Promise.all(target.lastWords.map(lastWord))
  const report = await endRemains(target, table)
  const killed = words.reduce((sum, word) => sum + (word?.killed ?? 0), report.killed)
  // Each guard has proved its own tree; that nothing else is left is seen, and of a tree without a word no more.
  const isProven = words.length > 0 && words.every((word) => word !== null) && report.proof === 'unproven'
  return { ...report, killed, ...(isProven ? { containment: 'guard', proof: 'empty' } : {}) }

  async function guardedMembers(): Promise<ProcessEntry[]> {
    const processes = await table.list()
    const parents = new Map(processes.map((one) => [one.pid, one]))
    const isGuarded = (one: ProcessEntry): boolean => {
      let ancestor = parents.get(one.ppid)
      for (let steps = 0; ancestor !== undefined && steps < processes.length; steps++) {
        if (ancestor.name === guardName) return true
        ancestor = parents.get(ancestor.ppid)
      }
      return false
    }
    return (await membership.members(processes)).filter(isGuarded)
  }
}
