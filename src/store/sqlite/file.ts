/**
 * The state file as the file system sees it. Nothing here opens a file that exists: in POSIX, closing any
 * descriptor of a file drops every lock that the process has on it, SQLite's too, and with them commits that were
 * acknowledged (https://www.sqlite.org/howtocorrupt.html, section 2.2). So it is made before SQLite opens it, and
 * from then on only looked at with stat (open-files.ts).
 */
import { access, constants, open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CoppiceError } from '../../errors.js'
import { makeFolder } from '../../folders.js'
import { unavailable } from './trouble.js'

/** Makes folder and file where they are missing and `create` says so; the WAL's files inherit the file's mode. */
export async function ensureFile(path: string, create: boolean): Promise<void> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) {
      throw unavailable(path, `${path} is a folder: name a file in it, such as ${join(path, 'coppice.db')}`)
    }
    if (!found.isFile()) throw unavailable(path, `${path} is not a regular file: choose another path`)
  } catch (error) {
    if (!create || !isMissing(error)) throw asFileTrouble(error, path)
    await makeFile(path)
  }
  try {
    await access(path, constants.R_OK | constants.W_OK)
    // SQLite keeps the WAL beside the file, so the folder has to be writable as well.
    await access(dirname(path), constants.W_OK | constants.X_OK)
  } catch (error) {
    throw asFileTrouble(error, path)
  }
}

async function makeFile(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path))
    const file = await open(path, 'wx', 0o600)
    await file.close()
  } catch (error) {
    // Another supervisor made it in between.
    if (codeOf(error) === 'EEXIST') return
    // /proc and its like have folders in which nobody makes any.
    if (isMissing(error))
      throw unavailable(path, `the state file ${path} cannot be made, nor its folder: check the path`, error)
    throw asFileTrouble(error, path)
  }
}

function asFileTrouble(error: unknown, path: string): CoppiceError | unknown {
  const code = codeOf(error)
  const what = code === undefined ? undefined : sentences[code]
  return what === undefined ? error : unavailable(path, `the state file ${path} ${what}`, error)
}

const notWritable = 'cannot be used: it and its folder must be readable and writable by this user'

const sentences: Record<string, string> = {
  ENOENT: 'does not exist: check the path, or start a run to make it',
  ENOTDIR: 'cannot be made: a part of its path is a file and not a folder',
  EEXIST: 'cannot be made: a part of its path is a file and not a folder',
  EACCES: notWritable,
  EPERM: notWritable,
  EROFS: 'cannot be used: it is on a read-only file system',
  ENOSPC: 'cannot be made: its disk is full',
  EDQUOT: 'cannot be made: its quota is full',
  ENAMETOOLONG: 'cannot be made: its path is too long',
  ELOOP: 'cannot be made: its path has a ring of symbolic links',
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
