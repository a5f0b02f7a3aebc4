import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Pause } from '../group/pause.js'
import type { ProcessTable } from '../processes/table.js'
import { runOf, supervisorOf } from './cgroup-names.js'
import { guardsAbove, isHeld } from './remains.js'

const shortestInterval = 2
const longestInterval = 50

/**
 * Kills whatever lives in a tree's cgroup and removes it. For a tree without a guard: a guard does that itself, and
 * what it waits for would be killed under it. True when nothing of it is left; false where `bound` milliseconds passed.
 */
export async function endCgroup(leaf: string, bound: number): Promise<boolean> {
  const until = performance.now() + bound
  const pause = new Pause()
  for (let interval = shortestInterval; ; interval = Math.min(longestInterval, interval * 1.5)) {
    if (!isPopulated(leaf)) {
      leaveCgroup(leaf)
      return true
    }
    killCgroup(leaf)
    if (performance.now() > until) return false
    await pause.for(interval)
  }
}

/** The cgroups of supervisors that are dead. */
export async function deadCgroups(base: string, table: ProcessTable): Promise<string[]> {
  const found = await Promise.all(
    namesIn(base).map(async (name) => {
      const supervisor = supervisorOf(name, table.self)
      return supervisor === null || (await table.isAlive(supervisor)) !== 'dead' ? [] : [join(base, name)]
    }),
  )
  return found.flat()
}

/** Ends what dead supervisors left in their cgroups where no guard is at it any more, and removes those cgroups. */
export async function endDeadCgroups(base: string, table: ProcessTable, bound: number): Promise<void> {
  await Promise.all(
    (await deadCgroups(base, table)).map(async (directory) => {
      await Promise.all(leavesIn(directory).map((leaf) => endUnlessGuarded(leaf, table, bound)))
      for (const owner of namesIn(directory)) removeCgroup(join(directory, owner), 'empty')
      removeCgroup(directory, 'empty')
    }),
  )
}

/** The trees' cgroups of whichever supervisor here, of the runs that `isOurs` says. */
export function cgroupsOfRuns(base: string, isOurs: (run: string) => boolean): string[] {
  return namesIn(base)
    .filter((name) => name.startsWith('coppice-'))
    .flatMap((name) => leavesIn(join(base, name)))
    .filter((leaf) => {
      const run = runOf(leaf.slice(leaf.lastIndexOf('/') + 1))
      return run !== null && isOurs(run)
    })
}

/** A guard that lives ends its tree in its own time, and leaves word of it. */
export async function endUnlessGuarded(leaf: string, table: ProcessTable, bound: number): Promise<boolean> {
  const members = new Set(processesIn(leaf))
  const processes = await table.list()
  const guards = guardsAbove(
    processes.filter(({ pid }) => members.has(pid)),
    processes,
  )
  if (guards.some(({ pid }) => !isHeld(pid))) return false
  // Whoever is in it itself (a supervisor inside a tool) does not end it.
  if (members.has(process.pid)) return false
  return endCgroup(leaf, bound)
}

/** Also where it is gone: then nobody can be in it. */
export function isPopulated(leaf: string): boolean {
  try {
    return !/^populated 0$/m.test(readFileSync(join(leaf, 'cgroup.events'), 'utf8'))
  } catch (error) {
    return !['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

function killCgroup(leaf: string): void {
  try {
    writeFileSync(join(leaf, 'cgroup.kill'), '1', { flag: 'r+' })
  } catch {
    // Before Linux 5.14. What is frozen neither forks nor gives its number away.
    writeIfPossible(join(leaf, 'cgroup.freeze'), '1')
    for (const pid of processesIn(leaf)) {
      try {
        if (pid > 1 && pid !== process.pid) process.kill(pid, 'SIGKILL')
      } catch {}
    }
    writeIfPossible(join(leaf, 'cgroup.freeze'), '0')
  }
}

function writeIfPossible(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'r+' })
  } catch {}
}

function processesIn(cgroup: string): number[] {
  let own: number[] = []
  try {
    own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  } catch {}
  return [...own, ...namesIn(cgroup).flatMap((nested) => processesIn(join(cgroup, nested)))]
}

/** Removes the cgroup of a tree, and its parents where no other tree is in them. */
export function leaveCgroup(leaf: string): void {
  removeCgroup(leaf)
  removeCgroup(dirname(leaf), 'empty')
  removeCgroup(dirname(dirname(leaf)), 'empty')
}

/** With all that is nested in it, or only where nothing is. One that is not empty stays, since the kernel keeps it. */
function removeCgroup(path: string, nested: 'too' | 'empty' = 'too'): void {
  if (nested === 'too') for (const name of namesIn(path)) removeCgroup(join(path, name))
  try {
    rmdirSync(path)
  } catch {}
}

function leavesIn(supervisor: string): string[] {
  return namesIn(supervisor).flatMap((owner) =>
    namesIn(join(supervisor, owner)).map((tree) => join(supervisor, owner, tree)),
  )
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}
