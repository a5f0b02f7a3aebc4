import { chmod, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { hasModes } from '../../containment/processes/directories.js'
import { truncateWal } from '../../store/inspect.js'
import { pathOfState } from '../../store/location.js'
import type { StateFiles, Task } from '../inspection.js'

const permissions = 0o777
const notForOthers = 0o077

/** What the file system says of the state, without opening it. Throws `invalid_option` for what is no path. */
export async function inspectFiles({ location: asked, ownFolder }: Task): Promise<StateFiles> {
  const location = resolve(pathOfState(asked))
  const folder = dirname(location)
  const [mode, files, free] = await Promise.all([
    modeOf(folder),
    Promise.all(['', '-wal', '-shm'].map((ending) => fileIfThere(`${location}${ending}`))),
    statfs(folder).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => null,
    ),
  ])
  return {
    location,
    exists: files[0] !== null,
    folder: mode === null ? null : { path: folder, mode, isOwn: folder === resolve(ownFolder) },
    files: files.filter((file) => file !== null),
    walBytes: files[1]?.bytes ?? 0,
    freeBytes: free,
  }
}

/** Null where there is no such file, or no way to it. Others may nothing where no mode says what they may. */
export async function modeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mode }) => mode & (hasModes ? 0o1777 : 0o1700),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EACCES') return null
      throw error
    },
  )
}

async function fileIfThere(path: string): Promise<StateFiles['files'][number] | null> {
  const mode = await modeOf(path)
  return mode === null ? null : { path, mode, bytes: (await stat(path)).size }
}

/** Takes from others what they may do with the state's files and with the folders that are coppice's own. */
export async function restrict(task: Task): Promise<void> {
  const { files, folder } = await inspectFiles(task)
  for (const file of files) await narrow(file.path, file.mode)
  if (folder?.isOwn) await narrow(folder.path, folder.mode)
  const runtime = await modeOf(task.runtimeDir)
  if (runtime !== null) await narrow(task.runtimeDir, runtime)
}

async function narrow(path: string, mode: number): Promise<void> {
  if ((mode & notForOthers) !== 0) await chmod(path, mode & permissions & ~notForOthers)
}

/** Brings what is in the WAL into the file, as far as no reader is in the way, and the WAL to nothing. */
export async function checkpoint({ location }: Task): Promise<void> {
  await truncateWal(location)
}
