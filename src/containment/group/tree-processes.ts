import type { ProcessEntry, ProcessTable } from '../processes/table.js'
import { keyOf, type Membership } from './membership.js'
import type { RootProcess } from './root-process.js'
import type { TreeKill } from './tree-kill.js'

/** A fork storm that is not stopped after so many rounds is killed on the run. */
const freezeRounds = 50

/** The processes of one tree, or of what is left of a run: finds them, signals them, counts the killed. */
export class TreeProcesses {
  readonly #table: ProcessTable
  readonly #membership: Membership
  /** Where it is our own child, its group can be signalled as one. */
  readonly #root: RootProcess | null
  readonly #killed = new Set<string>()
  /** Ourselves and those we live below are never signalled, whatever they belong to. */
  #spared: ReadonlySet<number> = new Set()

  constructor(table: ProcessTable, membership: Membership, root: RootProcess | null) {
    this.#table = table
    this.#membership = membership
    this.#root = root
  }

  get killed(): number {
    return this.#killed.size
  }

  /** Rejects where the processes cannot be listed: then nobody knows. */
  async living(): Promise<ProcessEntry[]> {
    return this.#membership.members(await this.#list())
  }

  /** Those of them that may be signalled. */
  reachable(living: readonly ProcessEntry[]): ProcessEntry[] {
    return living.filter(({ pid }) => !this.#spared.has(pid))
  }

  /**
   * SIGTERM, then SIGCONT, without which a stopped process would not get the former. Once to each, and not to a root
   * that has had it.
   */
  async terminate(signal: NodeJS.Signals = 'SIGTERM', rootHadIt = false): Promise<void> {
    const root = rootHadIt ? null : this.#root
    const processes = await this.#listIfPossible()
    if (processes === null) return this.#terminateEach(signal, [], root)
    const kin = this.#membership
      .kin(processes)
      .filter(({ pid }) => !(rootHadIt && pid === this.#root?.identity.pid))
    await this.#terminateEach(signal, kin, root)
    // Reading environments takes longer, and may have to wait; the rest has had its signal by now.
    const carriers = (await this.#membership.members(processes).catch(() => [])).filter(
      (one) => !kin.includes(one) && !(rootHadIt && one.pid === this.#root?.identity.pid),
    )
    await this.#terminateEach(signal, carriers, null)
  }

  async #terminateEach(
    signal: NodeJS.Signals,
    members: readonly ProcessEntry[],
    root: RootProcess | null,
  ): Promise<void> {
    const sentToGroup = root?.signalGroup(signal) ?? false
    const others = members.filter(({ pgid }) => !(sentToGroup && pgid === root?.identity.pid))
    await this.#signalEach(others, signal)
    root?.signalGroup('SIGCONT')
    await this.#signalEach(others, 'SIGCONT')
  }

  /**
   * The first kill. All are stopped before one is killed: a parent's death would cut the link by which its
   * children are found, and a stopped process neither forks nor gives its number away while tree-kill walks.
   */
  async killStopped(treeKill: TreeKill | null): Promise<void> {
    const stopped = await this.#stopAll()
    const root = stopped.find(({ pid }) => this.#root?.isUnreaped && pid === this.#root.identity.pid)
    if (treeKill && root && stopped.length <= treeKill.limit) {
      await treeKill.kill(root.pid)
      for (const one of stopped) this.#killed.add(keyOf(one))
    }
    await this.kill(stopped)
  }

  /** Stops them round after round, until a round finds no new one. */
  async #stopAll(): Promise<ProcessEntry[]> {
    const stopped = new Map<string, ProcessEntry>()
    for (let round = 0; round < freezeRounds; round++) {
      const processes = await this.#listIfPossible()
      const living = processes === null ? [] : this.#membership.kin(processes)
      const fresh = living.filter((one) => !stopped.has(keyOf(one)))
      if (fresh.length === 0) break
      this.#root?.signalGroup('SIGSTOP')
      await this.#signalEach(fresh, 'SIGSTOP')
      for (const one of fresh) stopped.set(keyOf(one), one)
    }
    return [...stopped.values()]
  }

  /** SIGKILL for these and for the group. True where one of them had not been killed before. */
  async kill(members: readonly ProcessEntry[]): Promise<boolean> {
    const before = this.killed
    const sentToGroup = this.#root?.signalGroup('SIGKILL') ?? false
    const reached = await this.#signalEach(members, 'SIGKILL')
    const inGroup = members.filter(({ pgid }) => sentToGroup && pgid === this.#root?.identity.pid)
    for (const one of [...reached, ...inGroup]) this.#killed.add(keyOf(one))
    return this.killed > before
  }

  #signalEach(members: readonly ProcessEntry[], signal: NodeJS.Signals): Promise<ProcessEntry[]> {
    return this.#table.signalAll(this.reachable(members), signal).catch(() => [])
  }

  /** Null where the list cannot be had (out of descriptors, say): the group can still be reached without it. */
  #listIfPossible(): Promise<ProcessEntry[] | null> {
    return this.#list().catch(() => null)
  }

  async #list(): Promise<ProcessEntry[]> {
    const processes = await this.#table.list()
    this.#spared = lineage(this.#table.self.pid, processes)
    return processes
  }
}

/** A process and its ancestors. */
export function lineage(pid: number, processes: readonly Pick<ProcessEntry, 'pid' | 'ppid'>[]): Set<number> {
  const parents = new Map(processes.map((one) => [one.pid, one.ppid]))
  const found = new Set<number>()
  for (let next: number | undefined = pid; next && !found.has(next); next = parents.get(next)) found.add(next)
  return found
}
