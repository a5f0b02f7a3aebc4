import type { Cookie, Numbered, ProcessEntry, ProcessTable } from '../processes/table.js'

/** What makes a process one of a tree's, or of a run's. */
export interface Marks {
  /** The first processes. Whoever descends from them, or is in their group or process session, belongs. */
  readonly roots: readonly Numbered[]
  /** True from launch on for a tree that we started: nobody else can have had its group's number since. */
  readonly groupsAreOurs: boolean
  /** Whether a cookie is ours. */
  claims(cookie: Cookie): boolean
  /** No process that started before this can carry our cookie; null where that is not known. */
  readonly since: string | null
}

/**
 * Who belongs: by descent, by the root's group and process session, by cookie, and whoever was once seen to
 * belong. What a process can shake off altogether (a new process session, its parent's death and a scrubbed
 * environment, all before anyone looked) nobody sees here: why `group` never proves a tree empty.
 */
export class Membership {
  readonly #table: ProcessTable
  readonly #marks: Marks
  readonly #known = new Map<string, Numbered>()
  /** Processes whose cookie was read and is not ours, so that it need not be read in each scan. */
  readonly #strangers = new Set<string>()
  /** Group numbers that can be relied on, of the roots whose number is still in use. */
  readonly #ours = new Set<number>()
  readonly #released = new Set<number>()

  constructor(table: ProcessTable, marks: Marks) {
    this.#table = table
    this.#marks = marks
    for (const root of marks.roots) {
      this.#known.set(keyOf(root), root)
      if (marks.groupsAreOurs) this.#ours.add(root.pid)
    }
  }

  /** The living members by descent, group and acquaintance: what the list alone tells, at once. */
  kin(processes: readonly ProcessEntry[]): ProcessEntry[] {
    const groups = this.#groups(processes)
    const isFirst = (one: ProcessEntry) =>
      groups.has(one.pgid) || groups.has(one.sid ?? 0) || this.#known.has(keyOf(one))
    const members = [...withDescendants(processes.filter(isFirst), processes, this.#table.self.pid)]
    for (const member of members) this.#known.set(keyOf(member), member)
    return members.filter((member) => member.state === 'alive')
  }

  /** All living members: with those whose environment carries our cookie, and what descends from them. */
  async members(processes: readonly ProcessEntry[]): Promise<ProcessEntry[]> {
    const kin = new Set(this.kin(processes))
    const candidates = processes.filter((one) => !kin.has(one) && this.#mayCarryOurs(one))
    const cookies = await this.#table.cookiesOf(candidates.map(({ pid }) => pid))
    for (const candidate of candidates) {
      const cookie = cookies.get(candidate.pid) ?? null
      if (cookie === 'unknown') continue
      if (cookie !== null && this.#marks.claims(cookie)) this.#known.set(keyOf(candidate), candidate)
      else this.#strangers.add(keyOf(candidate))
    }
    return this.kin(processes)
  }

  #mayCarryOurs(process: ProcessEntry): boolean {
    const { since } = this.#marks
    return (
      process.state === 'alive' &&
      process.pid !== this.#table.self.pid &&
      process.ppid !== kernelThreads &&
      !this.#strangers.has(keyOf(process)) &&
      (since === null || !this.#table.startedBefore(process.startTime, since))
    )
  }

  /**
   * The numbers of the roots' groups and process sessions that are ours now. The kernel gives a number out
   * again once no process, no group and no process session has it: so a leader with another start time, or a
   * list in which nobody has the number, means that it is ours no more, for ever. A group without its leader
   * that was not watched since its launch may be a later one's: it is ours if a process known to be ours is in it.
   */
  #groups(processes: readonly ProcessEntry[]): Set<number> {
    for (const root of this.#marks.roots) {
      const number = root.pid
      const leader = processes.find(({ pid }) => pid === number)
      const group = processes.filter(({ pgid, sid }) => pgid === number || sid === number)
      if (group.length === 0 || (leader && leader.startTime !== root.startTime)) this.#released.add(number)
      else if (leader || group.some((one) => this.#known.has(keyOf(one)))) this.#ours.add(number)
    }
    return new Set([...this.#ours].filter((number) => !this.#released.has(number)))
  }
}

/** Parent of every kernel thread on Linux; elsewhere an early system process that launches no tool of ours. */
const kernelThreads = 2

/** One process of this boot, whatever it is called by now. */
export function keyOf({ pid, startTime }: Numbered): string {
  return `${pid} ${startTime}`
}

/** The processes and all that descend from them, without `except` and what descends from that. */
function withDescendants(
  first: readonly ProcessEntry[],
  processes: readonly ProcessEntry[],
  except: number,
): Set<ProcessEntry> {
  const children = Map.groupBy(processes, ({ ppid }) => ppid)
  const found = new Set<ProcessEntry>()
  const queue = [...first]
  // Parents before children, as far as it goes: a shell whose command was terminated first would go on to its
  // next one. The queue grows as it is walked.
  for (const next of queue) {
    if (found.has(next) || next.pid === except || next.pid <= 1) continue
    found.add(next)
    queue.push(...(children.get(next.pid) ?? []))
  }
  return found
}
