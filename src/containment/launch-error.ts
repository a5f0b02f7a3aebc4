import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { basename, delimiter, resolve } from 'node:path'
import { CoppiceError } from '../errors.js'
import type { LaunchRequest } from './contract.js'

/**
 * Why a command did not start. The system gives one number for two culprits (ENOENT is also a missing working
 * directory, and a script's missing interpreter), so the paths are looked at afterwards.
 */
export async function launchError(request: LaunchRequest, cause: unknown): Promise<CoppiceError> {
  const { command, cwd } = request
  const wrongDirectory = cwd === undefined ? null : await whatIsWrongWith(cwd)
  if (wrongDirectory !== null) {
    const message = `cannot launch ${command}: the working directory ${cwd} ${wrongDirectory}`
    return new CoppiceError('launch_failed', message, { path: resolve(cwd ?? ''), cause })
  }
  const details = { path: command, cause }
  const code = codeOf(cause)
  const found = await somethingIsThere(request)
  // EACCES without a file is a folder on PATH that may not be searched.
  if (code === 'ENOENT' || (code === 'EACCES' && !found)) {
    return found
      ? new CoppiceError(
          'command_not_executable',
          `not executable: ${command}: its interpreter is missing`,
          details,
        )
      : new CoppiceError('command_not_found', `command not found: ${command}`, details)
  }
  if (code !== null && notExecutable.has(code)) {
    return new CoppiceError('command_not_executable', `not executable: ${command} (${code})`, details)
  }
  return new CoppiceError('launch_failed', `cannot launch ${command}: ${messageOf(cause)}`, details)
}

/** What shells call 126: something is there, and it cannot be run. */
const notExecutable = new Set(['EACCES', 'EISDIR', 'ENOEXEC', 'ENOTDIR', 'ELOOP', 'ETXTBSY', 'ENAMETOOLONG'])

async function whatIsWrongWith(directory: string): Promise<string | null> {
  try {
    if (!(await stat(directory)).isDirectory()) return 'is not a directory'
    await access(directory, constants.X_OK)
    return null
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'does not exist' : 'cannot be entered'
  }
}

/** What the command names, by path or by the PATH of its environment, whether it could be run or not. */
export async function somethingIsThere({ command, cwd, env }: LaunchRequest): Promise<boolean> {
  const base = cwd ?? process.cwd()
  if (basename(command) !== command) {
    return stat(resolve(base, command)).then(
      () => true,
      (error: unknown) => codeOf(error) !== 'ENOENT',
    )
  }
  const path = env && 'PATH' in env ? env.PATH : process.env.PATH
  const folders = (path ?? '').split(delimiter)
  const candidates = await Promise.allSettled(folders.map((folder) => stat(resolve(base, folder, command))))
  return candidates.some((found) => found.status === 'fulfilled' && found.value.isFile())
}

function codeOf(error: unknown): string | null {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return typeof code === 'string' ? code : null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
