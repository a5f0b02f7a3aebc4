import { constants } from 'node:fs'
import { access, lstat, open, readdir, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openersOf } from '../../containment/looking/open-files.js'
import { judge, type LockFile, longestText, type ReadFile } from './lock-file.js'

/** The lock files of a folder, by name, each with what can be said of its holder. Rejects where there is no such folder. */
export async function inspectLocks(folder: string): Promise<LockFile[]> {
  return (await readLocks(folder)).map(({ lock }) => lock)
}

/**
 * Removes those whose holder is provably gone, and what a crash left half-written; each is looked at again right before, and
 * stays where it is another file by then, says something else, or is open in a process that lives. Resolves to their paths.
 */
export async function removeDeadLocks(folder: string): Promise<string[]> {
  const candidates = (await readLocks(folder)).filter(({ lock }) => lock.isRemovable)
  const removed: string[] = []
  for (const { file } of candidates) {
    if (!(await isUnchangedAndDead(file))) continue
    await unlink(file.path)
    removed.push(file.path)
  }
  return removed
}

async function readLocks(
  folder: string,
): Promise<Array<{ readonly file: ReadFile; readonly lock: LockFile }>> {
  const names = (await readdir(resolve(folder))).filter((name) => name.endsWith('.jsonl.lock')).sort()
  const files = (await Promise.all(names.map((name) => readIfThere(join(resolve(folder), name))))).flat()
  const now = Date.now()
  const locks = await Promise.all(files.map(async (file) => ({ file, lock: await judge(file, now) })))
  return unlessOpen(locks)
}

/** Whoever has the file open has the lock, whatever number it has here: it may be of another container. */
async function unlessOpen(
  locks: ReadonlyArray<{ readonly file: ReadFile; readonly lock: LockFile }>,
): Promise<Array<{ readonly file: ReadFile; readonly lock: LockFile }>> {
  const removable = locks.filter(({ lock }) => lock.isRemovable)
  const openers = await openersOf(removable.map(({ file }) => file.stats))
  return locks.map(({ file, lock }) => {
    const opener = lock.isRemovable ? openers.get(file.stats.ino) : undefined
    if (opener === undefined) return { file, lock }
    const reasons = lock.reasons.filter((reason) => reason !== 'dead-pid' && reason !== 'recycled-pid')
    return { file, lock: { ...lock, reasons, holder: 'held' as const, isRemovable: false } }
  })
}

async function isUnchangedAndDead(before: ReadFile): Promise<boolean> {
  const [now] = await readIfThere(before.path)
  if (now === undefined || now.stats.ino !== before.stats.ino || now.stats.dev !== before.stats.dev)
    return false
  if (now.text !== before.text || now.stats.mtimeMs !== before.stats.mtimeMs) return false
  const lock = await judge(now, Date.now())
  return lock.isRemovable && !(await openersOf([now.stats])).has(now.stats.ino)
}

/** By one descriptor, so that text and inode are one file’s; a link is not followed, and a FIFO not waited for. */
async function readIfThere(path: string): Promise<ReadFile[]> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    return unopened(path, (error as NodeJS.ErrnoException).code)
  }
  try {
    const stats = await file.stat()
    const text = stats.isFile() && stats.size <= longestText ? await file.readFile('utf8') : null
    return [{ path, stats, text, hasTranscript: await hasTranscript(path) }]
  } finally {
    await file.close()
  }
}

/** Released meanwhile, or a link, which no lock file is; or one that is not ours to read, of which nothing is known. */
async function unopened(path: string, code: string | undefined): Promise<ReadFile[]> {
  if (code === 'ENOENT' || code === 'ELOOP') return []
  const stats = await lstat(path).catch(() => null)
  return stats === null ? [] : [{ path, stats, text: null, hasTranscript: await hasTranscript(path) }]
}

function hasTranscript(lock: string): Promise<boolean> {
  return access(lock.slice(0, -'.lock'.length)).then(
    () => true,
    () => false,
  )
}
