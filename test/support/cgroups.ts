import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findCgroupBase } from '#src/containment/guard/cgroup-directory.js'
import { openContainment } from '#src/containment/open.js'

/** The directory in which trees get cgroups on this machine; null where they cannot, and why. */
export const cgroupsHere: { readonly base: string | null; readonly why: string } = await openContainment(
  'cgroup',
  () => {},
).then(
  async (containment) => {
    await containment.close()
    return { base: findCgroupBase().directory, why: '' }
  },
  (error: Error) => ({ base: null, why: error.message }),
)

/** The paths of all cgroups below this one, for a test of what is left. */
export function cgroupsBelow(directory: string): string[] {
  try {
    const names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return names.flatMap(({ name }) => [join(directory, name), ...cgroupsBelow(join(directory, name))])
  } catch {
    return []
  }
}

/** Those that this process's supervisors have made. */
export function cgroupsOf(pid: number): string[] {
  return cgroupsHere.base === null
    ? []
    : cgroupsBelow(cgroupsHere.base).filter((path) => path.includes(`/coppice-${pid}-`))
}

/** The directory of the cgroup that this process is in; empty where it is in none that trees have here. */
export function cgroupHolding(pid: number): string {
  if (cgroupsHere.base === null) return ''
  const all = [cgroupsHere.base, ...cgroupsBelow(cgroupsHere.base)]
  return all.find((directory) => processesOf(directory).includes(pid)) ?? ''
}

function processesOf(directory: string): number[] {
  try {
    return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** The cgroup v2 path of a process. */
export function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? ''
}
