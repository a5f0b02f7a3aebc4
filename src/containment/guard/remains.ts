import type { TreeReport } from '../contract.js'
import { Pause } from '../group/pause.js'
import { endRemains, membersOf, type Remains } from '../group/sweep.js'
import { readState } from '../processes/stat.js'
import type { ProcessEntry, ProcessTable } from '../processes/table.js'
import { type LastWord, readLastWord } from './last-word.js'

/** The names that a guard gives itself, and a root until it is its command. */
const guardName = 'coppice-guard'
const unbornName = 'coppice-root'

/** Guards and launchers; the kernel cuts a name after 15 bytes. */
const ofCoppice = /^coppice-(guard|launche)/

/** Milliseconds. */
const shortestInterval = 10
const longestInterval = 100
/** A guard that its tree keeps from the processor may take this long to see it empty; one that was killed leaves none. */
const wordBound = 2_000

export interface GuardedRemains extends Remains {
  /**
   * The process id of a guard that is known, also where nothing below it can be recognized any more. It is waited for and
   * not signalled: another one may have the number by now.
   */
  readonly guard?: number
}

/**
 * Ends what a supervisor or a launcher left that is gone. Its guards are at it already: they are waited for, since a
 * second SIGTERM would tell a tool to hurry, and a killed guard would let go of what it holds. What has no guard, or
 * one that takes longer than its bounds, is ended here.
 */
export async function endGuardedRemains(target: GuardedRemains, table: ProcessTable): Promise<TreeReport> {
  const membership = membersOf(target, table)
  const told = new Set<number>()
  const seen = new Map<number, ProcessEntry>()
  const pause = new Pause()
  const until = performance.now() + target.grace + target.killBound
  for (let interval = shortestInterval; performance.now() < until; interval *= 1.5) {
    const processes = await table.list()
    await table.signalAll(unbornOrphans(processes), 'SIGKILL')
    const above = guardsAbove(await membership.members(processes), processes)
    const known = processes.filter((one) => one.pid === target.guard && isGuard(one))
    const guards = [...above, ...known]
    for (const guard of guards) seen.set(guard.pid, guard)
    // One that a tool holds (by tracing it, or by SIGSTOP) ends nothing before that tool is dead.
    if (guards.every(({ pid }) => isHeld(pid))) break
    // One whose supervisor is gone knows; one whose supervisor does not answer is told so by this.
    const untold = above.filter(({ pid }) => !told.has(pid))
    await table.signalAll(untold, 'SIGTERM')
    for (const { pid } of untold) told.add(pid)
    await pause.for(Math.min(interval, longestInterval))
  }
  const words = await Promise.all(target.lastWords.map(lastWord))
  const report = await endRemains(target, table)
  // The tool that stopped it is dead, and so is its launcher, who would continue it.
  await table.signalAll([...seen.values()], 'SIGCONT')
  await table.signalAll(unbornOrphans(await table.list()), 'SIGKILL')
  const killed = words.reduce((sum, word) => sum + (word?.killed ?? 0), report.killed)
  // Each guard has proved its own tree; that nothing else is left is seen, and of a tree without a word no more.
  const isProven = words.length > 0 && words.every((word) => word !== null) && report.proof === 'unproven'
  return { ...report, killed, ...(isProven ? { containment: 'guard', proof: 'empty' } : {}) }
}

export function guardsAbove(
  members: readonly ProcessEntry[],
  processes: readonly ProcessEntry[],
): ProcessEntry[] {
  const byPid = new Map(processes.map((one) => [one.pid, one]))
  const guards = new Set<ProcessEntry>()
  for (const member of members) {
    // No line is longer than there are processes, also where the list is not of one moment.
    let ancestor = byPid.get(member.ppid)
    for (let steps = 0; ancestor && ancestor.name !== guardName && steps < processes.length; steps++) {
      ancestor = byPid.get(ancestor.ppid)
    }
    if (ancestor?.name === guardName) guards.add(ancestor)
  }
  return [...guards]
}

/**
 * Roots that have not become their command yet, in an exec that hangs, and whose guard and launcher were both killed: they
 * bear no cookie, and whoever's they were, nobody else will ever end them.
 */
function unbornOrphans(processes: readonly ProcessEntry[]): ProcessEntry[] {
  const above = new Set(
    processes.filter((one) => one.state === 'alive' && ofCoppice.test(one.name)).map(({ pid }) => pid),
  )
  return processes.filter(
    ({ name, state, ppid }) => name === unbornName && state === 'alive' && !above.has(ppid),
  )
}

function isGuard({ name, state }: ProcessEntry): boolean {
  return name === guardName && state === 'alive'
}

/** Stopped or traced, by a tool of its tree: it ends nothing before that is dead. */
export function isHeld(pid: number): boolean {
  return readState(pid)?.toUpperCase() === 'T'
}

/** A guard writes it in the moment in which it has seen its tree empty. */
async function lastWord(path: string): Promise<LastWord | null> {
  const pause = new Pause()
  const until = performance.now() + wordBound
  for (;;) {
    const word = await readLastWord(path)
    if (word !== null || performance.now() > until) return word
    await pause.for(shortestInterval)
  }
}
