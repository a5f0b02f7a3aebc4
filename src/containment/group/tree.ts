import { basename } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Identity } from '../../identity.js'
import type { Survivor } from '../../proof.js'
import { settlesWithin } from '../../timers.js'
import type { Exit, LaunchRequest, Tree, TreeReport } from '../contract.js'
import type { ProcessEntry, ProcessTable } from '../processes/table.js'
import type { StopPlan } from '../stop-plan.js'
import type { Launched } from './launch.js'
import { Membership } from './membership.js'
import { Pause } from './pause.js'
import { groupReport } from './report.js'
import type { RootProcess } from './root-process.js'
import type { TreeKill } from './tree-kill.js'
import { TreeProcesses } from './tree-processes.js'

/** A tree in a process group of its own. */
export class GroupTree implements Tree {
  readonly id: string
  readonly containment = 'group'
  readonly root: Identity
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  readonly pipes = null
  /** Whoever launched the tree ends it: this containment does nothing by itself. */
  readonly stopped = new Promise<never>(() => {})
  readonly exited: Promise<Exit>
  readonly emptied: Promise<void>
  readonly #stop: StopPlan
  readonly #process: RootProcess
  readonly #processes: TreeProcesses
  readonly #treeKill: TreeKill | null
  readonly #pause = new Pause()
  readonly #resolveEmptied: () => void
  #state: 'running' | 'killing' | 'emptied' | 'abandoned' = 'running'
  #isWatched = false
  #isStruck = false
  /** What the first look after the root's exit found; null before it. */
  #lingered: readonly ProcessEntry[] | null = null
  /** The root, until the first look. */
  #lastSeen: readonly Survivor[]

  constructor(request: LaunchRequest, launched: Launched, table: ProcessTable, treeKill: TreeKill | null) {
    const { root, stdin, stdout, stderr } = launched
    this.id = request.tree
    this.root = root.identity
    this.stdin = stdin
    this.stdout = stdout
    this.stderr = stderr
    this.exited = root.exited
    this.#lastSeen = [{ ...root.identity, name: basename(request.command) }]
    this.#stop = request.stop
    this.#process = root
    this.#treeKill = treeKill
    const membership = new Membership(table, {
      roots: [root.identity],
      groupsAreOurs: true,
      claims: ({ tree }) => tree === request.tree,
      since: root.identity.startTime,
    })
    this.#processes = new TreeProcesses(table, membership, root)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.emptied = promise
    this.#resolveEmptied = resolve
    this.exited.then(() => this.#watch())
  }

  opened(): void {}

  async terminate(grace: number): Promise<void> {
    if (this.#isOver) return
    const { signal, terminate, endsStdin } = this.#stop
    const isForRoot = terminate === 'root' && !endsStdin && this.#process.signal(signal)
    if (isForRoot) this.#process.signal('SIGCONT')
    if (isForRoot || endsStdin) await settlesWithin(grace / 2, this.exited)
    if (this.#state !== 'running') return
    await this.#processes.terminate(signal, isForRoot)
  }

  kill(): void {
    if (this.#state !== 'running') return
    this.#state = 'killing'
    void this.#watch()
  }

  abandon(): void {
    if (this.#isOver) return
    this.#state = 'abandoned'
    this.#process.unref()
    this.#pause.end()
  }

  async report(): Promise<TreeReport> {
    if (this.#state !== 'emptied') await this.#look().catch(() => {})
    return groupReport(this.#processes.killed, this.#lingered ?? [], this.#lastSeen)
  }

  /**
   * From the root's exit, or from the first kill, until nobody is left: nothing tells us of the end of processes
   * that are not our children, so we look, at once and then at growing intervals.
   */
  async #watch(): Promise<void> {
    this.#pause.end()
    if (this.#isWatched) return
    this.#isWatched = true
    let interval = shortestInterval
    while (!this.#isOver) {
      const found = await this.#lookAndKill().catch(() => 'unknown')
      if (this.#isOver) return
      interval =
        found === 'new to the kill' ? 0 : Math.min(longestInterval, interval * 1.5 || shortestInterval)
      await this.#pause.for(interval)
    }
  }

  async #lookAndKill(): Promise<'known' | 'new to the kill'> {
    if (this.#state === 'killing' && !this.#isStruck) {
      this.#isStruck = true
      await this.#processes.killStopped(this.#treeKill)
    }
    const living = await this.#look()
    if (this.#state !== 'killing') return 'known'
    return (await this.#processes.kill(living)) ? 'new to the kill' : 'known'
  }

  /** Whoever lives now. After the root's exit, nobody means that the tree is empty. */
  async #look(): Promise<readonly ProcessEntry[]> {
    const hadExited = !this.#process.isUnreaped
    const living = await this.#processes.living()
    this.#lastSeen = living
    if (hadExited) this.#lingered ??= living
    if (hadExited && living.length === 0 && !this.#isOver) {
      this.#state = 'emptied'
      this.#resolveEmptied()
    }
    return living
  }

  get #isOver(): boolean {
    return this.#state === 'emptied' || this.#state === 'abandoned'
  }
}

/** Milliseconds between two looks, from the first to all later ones. */
const shortestInterval = 10
const longestInterval = 100
