import { readFile, stat } from 'node:fs/promises'

/**
 * The processes, by their numbers in this pid namespace, that hold a write lock on the state file at `location`; none
 * where the system does not tell. From /proc/locks, which names a file by its device and inode (proc(5)).
 */
export async function lockHolders(location: string): Promise<number[]> {
  const inodes = new Set<string>()
  for (const file of [location, `${location}-shm`]) {
    const found = await stat(file).catch(() => null)
    if (found !== null) inodes.add(String(found.ino))
  }
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '')
  const holders = locks.split('\n').flatMap((line) => {
    // 1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 120 120; a lock that is only waited for has `->` before its type.
    const [, pid, inode] = /^\d+: POSIX\s+\S+\s+WRITE (\d+) \S+:(\d+) /.exec(line) ?? []
    return pid !== undefined && inode !== undefined && inodes.has(inode) ? [Number(pid)] : []
  })
  return [...new Set(holders)]
}
