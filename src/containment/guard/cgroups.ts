import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CoppiceError } from '../../errors.js'
import type { LaunchRequest } from '../contract.js'
import { type Limits, noLimits, type TreeLimitName } from '../limits.js'
import type { ProcessTable } from '../processes/table.js'
import { findCgroupBase } from './cgroup-directory.js'
import { ownerName, supervisorName, treeName } from './cgroup-names.js'
import { endDeadCgroups } from './cgroup-remains.js'

/** A guard removes the empty parents of the cgroup that it leaves, maybe while we make another one in them. */
const attempts = 20
/** Milliseconds that an opening supervisor gives the processes of a dead one to be gone. */
const deadBound = 2_000

const controllers: Record<TreeLimitName, string> = { pids: 'pids', memory: 'memory', cpus: 'cpu' }
const names = Object.keys(controllers) as TreeLimitName[]

/**
 * Makes a cgroup for each tree: `BASE/SUPERVISOR/OWNER/TREE`. While there is no tree there is none of them: the guard of
 * a tree removes its cgroup and the parents that are empty then.
 */
export class Cgroups {
  readonly base: string
  readonly #supervisor: string
  readonly #controllers: ReadonlySet<string>

  /**
   * Rejects where there is no cgroup v2 that we can divide. Ends what dead supervisors left in theirs, and hands the
   * controllers of a base on that was given to us, but not for whoever only looks.
   */
  static async open(table: ProcessTable, looksOnly = false): Promise<Cgroups> {
    const { directory, isGiven } = findCgroupBase()
    if (!looksOnly) await endDeadCgroups(directory, table, deadBound)
    if (isGiven && !looksOnly) handOn(directory)
    return new Cgroups(directory, supervisorName(table.self))
  }

  private constructor(base: string, supervisor: string) {
    this.base = base
    this.#supervisor = join(base, supervisor)
    this.#controllers = new Set(handedOn(base))
  }

  /** Without their controllers, the guard looks at processes and memory itself. */
  get limits(): readonly TreeLimitName[] {
    return this.#controllers.has('cpu') ? ['pids', 'memory', 'cpus'] : ['pids', 'memory']
  }

  /** The limits that the kernel holds of all trees of an owner together. */
  get summed(): readonly TreeLimitName[] {
    return names.filter((name) => this.#controllers.has(controllers[name]))
  }

  /** The path of a cgroup for this tree, with its limits set. Throws `launch_failed` where it cannot be made. */
  make({ tree, run, owner, limits, ownerLimits = noLimits, command }: LaunchRequest): string {
    const leaf = join(this.#supervisor, ownerName(owner ?? run ?? tree), treeName(tree, run))
    for (let attempt = 1; ; attempt++) {
      try {
        mkdirSync(leaf, { recursive: true })
        this.#limit(leaf, limits, ownerLimits)
        return leaf
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && attempt < attempts) continue
        const message = `cannot launch ${command}: its cgroup cannot be made: ${(cause as Error).message}`
        throw new CoppiceError('launch_failed', message, { path: leaf, cause })
      }
    }
  }

  #limit(leaf: string, limits: Limits, ownerLimits: Limits): void {
    const owner = dirname(leaf)
    const wanted = this.summed.filter(
      (name) => Number.isFinite(limits[name]) || Number.isFinite(ownerLimits[name]),
    )
    for (const name of wanted) {
      for (const parent of [dirname(owner), owner])
        write(parent, 'cgroup.subtree_control', `+${controllers[name]}`)
    }
    for (const name of wanted) {
      // One process alone killed would leave half a tool, whichever of the two limits it was.
      if (name === 'memory') writeIfThere(leaf, 'memory.oom.group', '1')
      if (Number.isFinite(ownerLimits[name])) limitTo(owner, name, ownerLimits[name])
      if (Number.isFinite(limits[name])) limitTo(leaf, name, limits[name])
    }
  }
}

function limitTo(cgroup: string, name: TreeLimitName, most: number): void {
  if (name === 'pids') write(cgroup, 'pids.max', String(most))
  else if (name === 'cpus') write(cgroup, 'cpu.max', `${Math.ceil(most * period)} ${period}`)
  else {
    // Swapped out it would go over its limit unseen.
    writeIfThere(cgroup, 'memory.swap.max', '0')
    write(cgroup, 'memory.max', String(most))
  }
}

/** Microseconds in which the share of the processors is counted: the kernel's default. */
const period = 100_000

function handedOn(directory: string): string[] {
  return readFileSync(join(directory, 'cgroup.subtree_control'), 'utf8').trim().split(' ')
}

/**
 * Hands its controllers on, those that it has got. Not where processes live in it: there the kernel refuses `memory`, but
 * with `cpu` or `pids` it makes a threaded domain of it, below which no process can be put (cgroups(7)).
 */
function handOn(directory: string): void {
  if (isRoot(directory) || readFileSync(join(directory, 'cgroup.procs'), 'utf8') === '') {
    for (const name of ['memory', 'pids', 'cpu']) {
      try {
        write(directory, 'cgroup.subtree_control', `+${name}`)
      } catch (error) {
        // Somebody has come into it meanwhile.
        if ((error as NodeJS.ErrnoException).code === 'EBUSY') return
      }
    }
  }
}

/** The root of all, which may have processes beside its controllers, has no type. */
function isRoot(directory: string): boolean {
  return !existsSync(join(directory, 'cgroup.type'))
}

function write(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), text, { flag: 'r+' })
}

function writeIfThere(directory: string, name: string, text: string): void {
  if (existsSync(join(directory, name))) write(directory, name, text)
}
