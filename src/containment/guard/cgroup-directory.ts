import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The variable that names a cgroup's directory that is coppice's to divide. */
export const cgroupVariable = 'COPPICE_CGROUP'

export interface CgroupBase {
  /** Where the trees' cgroups are made. */
  readonly directory: string
  /** Whether somebody said that it is ours: then its controllers are ours to hand on. */
  readonly isGiven: boolean
}

/**
 * The cgroup v2 directory below which this process may make cgroups: the one that is given, else its own. Throws an
 * error that says why there is none.
 */
export function findCgroupBase(): CgroupBase {
  const given = process.env[cgroupVariable]
  const directory = given || ownCgroupDirectory()
  for (const path of [directory, join(directory, 'cgroup.procs')]) {
    try {
      // Whoever moves a process writes to the cgroup that holds both the old and the new one.
      accessSync(path, constants.W_OK)
    } catch (cause) {
      throw new Error(`cgroup v2: ${path} cannot be written`, { cause })
    }
  }
  return { directory, isGiven: Boolean(given) }
}

/** By /proc/self/cgroup, whose path is relative to the root of our cgroup namespace, and where that is mounted. */
function ownCgroupDirectory(): string {
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(parseMount)
  for (const mount of mounted) {
    if (own === undefined || mount === null) continue
    const below = relativeTo(mount.root, own)
    if (below !== null) return join(mount.point, below)
  }
  throw new Error('cgroup v2 is not mounted where this process is in it')
}

/** proc_pid_mountinfo(5): id, parent, device, root, mount point, options, optional fields, `-`, type, … */
function parseMount(line: string): { readonly root: string; readonly point: string } | null {
  const [fields = '', rest = ''] = line.split(' - ')
  const [, , , root, point] = fields.split(' ').map(unescapeOctal)
  return rest.startsWith('cgroup2 ') && root !== undefined && point !== undefined ? { root, point } : null
}

function relativeTo(root: string, path: string): string | null {
  if (root === '/') return path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : null
}

function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
