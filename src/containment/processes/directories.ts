import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether a file's mode says who may use it: Windows has lists for that, and Node makes 0666 or 0444 up. */
export const hasModes = process.platform !== 'win32'

/** The folder in which this user's programs keep what must outlive them. It need not exist yet. */
export function stateDirectory(env: Environment): string {
  const home = env.HOME || homedir()
  switch (process.platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support', 'coppice')
    case 'win32':
      return join(env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'coppice')
    default:
      return join(absolute(env.XDG_STATE_HOME) ?? join(home, '.local', 'state'), 'coppice')
  }
}

/** The folder for sockets and the like, which end with the login or the boot. It need not exist yet. */
export function runtimeDirectory(env: Environment): string {
  const given = absolute(env.XDG_RUNTIME_DIR)
  // Set but missing: a service or `su` without a login session.
  if (given !== null && existsSync(given)) return join(given, 'coppice')
  return join(tmpdir(), `coppice-${process.getuid?.() ?? userInfo().username}`)
}

/**
 * What to listen at and connect to for the socket of this path. Windows has named pipes for that, in a folder of their own
 * and not in the file system: there is no file then, and nothing to remove.
 */
export function socketAddress(path: string): string {
  if (process.platform !== 'win32') return path
  const name = createHash('sha256').update(resolve(path).toLowerCase()).digest('hex').slice(0, 32)
  return `\\\\.\\pipe\\coppice-${name}`
}

/** The XDG specification: a path that is not absolute is to be ignored. */
function absolute(path: string | undefined): string | null {
  return path !== undefined && isAbsolute(path) ? path : null
}
