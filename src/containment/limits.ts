import { CoppiceError } from '../errors.js'
import { formatSize } from '../sizes.js'

/** What a tree may take; `Infinity` is no limit. */
export interface Limits {
  /** Processes that are alive at once. */
  readonly pids: number
  /** Bytes of memory of all its processes together. */
  readonly memory: number
  /** Processors that it may keep busy. */
  readonly cpus: number
}

export type LimitName = keyof Limits

export const noLimits: Limits = {
  pids: Number.POSITIVE_INFINITY,
  memory: Number.POSITIVE_INFINITY,
  cpus: Number.POSITIVE_INFINITY,
}

/** The limit in words, as of one that was passed: `memory limit of 512MB`. */
export function describeLimit(name: LimitName, limits: Limits): string {
  const value = name === 'memory' ? formatSize(limits.memory) : String(limits[name])
  return `${name} limit of ${value}`
}

/** Throws `launch_failed` where a limit is asked for that is not among `held`: one that nobody holds is worse than none. */
export function refuseLimits(
  { command, limits }: { readonly command: string; readonly limits: Limits },
  held: readonly LimitName[],
  here: string,
): void {
  const names = Object.keys(needs) as LimitName[]
  const refused = names.find((name) => Number.isFinite(limits[name]) && !held.includes(name))
  if (refused === undefined) return
  const message = `cannot launch ${command}: its ${describeLimit(refused, limits)} needs ${needs[refused]}, and here is ${here}`
  throw new CoppiceError('launch_failed', message, { path: command })
}

const needs: Record<LimitName, string> = {
  pids: 'containment guard or cgroup',
  memory: 'containment guard or cgroup',
  cpus: 'containment cgroup with the controller cpu',
}
