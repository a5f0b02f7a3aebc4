import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupOf, cgroupsBelow } from '../../../support/cgroups.ts'

/** Where the machine's cgroups are. */
export const hierarchy = '/sys/fs/cgroup'

/** The cgroup of the service that this process is in, which is delegated to it. */
export const service = process.env.COPPICE_CGROUP ?? ''

/** The directory of a process's cgroup. */
export function leafOf(pid: number): string {
  return join(hierarchy, cgroupOf(pid))
}

/** The count of a file of lines `key value`; 0 where the cgroup is gone. */
export function count(cgroup: string, file: string, key: string): number {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(read(cgroup, file))?.[1] ?? 0)
}

/** What a file says; nothing where the cgroup is gone. */
export function read(cgroup: string, file: string): string {
  try {
    return readFileSync(join(cgroup, file), 'utf8').trim()
  } catch {
    return ''
  }
}

/**
 * A cgroup below the service, with these files written, until it is disposed of with all below it: by then no process may be
 * in any of them.
 */
export function cgroupBelowService(name: string, files: Record<string, string> = {}) {
  const path = join(service, name)
  writeFileSync(join(service, 'cgroup.subtree_control'), '+cpu +memory +pids')
  mkdirSync(path)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
  return {
    path,
    [Symbol.dispose]() {
      for (const directory of [path, ...cgroupsBelow(path)].toReversed()) rmdirSync(directory)
    },
  }
}
