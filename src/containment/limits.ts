import { CoppiceError } from '../errors.js'
import { formatSize } from '../sizes.js'

/** What a tree may take; `Infinity` is no limit. */
export interface Limits {
  /** Processes and threads that are alive at once. */
  readonly pids: number
  /** Bytes of memory of all its processes together. */
  readonly memory: number
  /** Processors that it may keep busy. */
  readonly cpus: number
  /** Bytes on its stdout and stderr together, as far as the host reads them: it is the host that counts. */
  readonly output: number
}

export type LimitName = keyof Limits
/**
 * For what a tree was ended: a limit of its own, or the memory that it shares with others (its session's, a container's, the
 * machine's), for want of which the kernel has killed its root.
 */
export type Exceeded = LimitName | 'memory_of_all'
/** Those that a containment holds. */
export type TreeLimitName = Exclude<LimitName, 'output'>

export const noLimits: Limits = {
  pids: Number.POSITIVE_INFINITY,
  memory: Number.POSITIVE_INFINITY,
  cpus: Number.POSITIVE_INFINITY,
  output: Number.POSITIVE_INFINITY,
}

/** The smaller of two, of each. */
export function smallerLimits(one: Limits, other: Limits = noLimits): Limits {
  return {
    pids: Math.min(one.pids, other.pids),
    memory: Math.min(one.memory, other.memory),
    cpus: Math.min(one.cpus, other.cpus),
    output: Math.min(one.output, other.output),
  }
}

/** A launch whose tree alone is held to those of its owner's limits that are not held of all the owner's trees together. */
export function withOwnerLimits<T extends { readonly limits: Limits; readonly ownerLimits?: Limits }>(
  request: T,
  summed: readonly TreeLimitName[],
): T {
  if (request.ownerLimits === undefined) return request
  const alone = { ...request.ownerLimits }
  for (const name of summed) alone[name] = Number.POSITIVE_INFINITY
  return { ...request, limits: smallerLimits(request.limits, alone) }
}

/** What it did, in words: `went over its memory limit of 512MB`. */
export function describeExceeded(name: Exceeded, limits: Limits): string {
  if (name === 'memory_of_all')
    return 'was killed by the kernel, since the memory that it shares with others ran out'
  return `went over its ${describeLimit(name, limits)}`
}

/** The limit in words, as of one that was passed: `memory limit of 512MB`. */
function describeLimit(name: LimitName, limits: Limits): string {
  const isSize = name === 'memory' || name === 'output'
  const value = isSize ? formatSize(limits[name]) : String(limits[name])
  return `${name} limit of ${value}`
}

/** Throws `launch_failed` where a limit is asked for that is not among `held`: one that nobody holds is worse than none. */
export function refuseLimits(
  { command, limits }: { readonly command: string; readonly limits: Limits },
  held: readonly TreeLimitName[],
  here: string,
): void {
  const names = Object.keys(needs) as TreeLimitName[]
  const refused = names.find((name) => Number.isFinite(limits[name]) && !held.includes(name))
  if (refused === undefined) return
  const message = `cannot launch ${command}: its ${describeLimit(refused, limits)} needs ${needs[refused]}, and here is ${here}`
  throw new CoppiceError('launch_failed', message, { path: command })
}

const needs: Record<TreeLimitName, string> = {
  pids: 'containment guard or cgroup',
  memory: 'containment guard or cgroup',
  cpus: 'containment cgroup with the controller cpu',
}
