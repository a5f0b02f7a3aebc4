import { stat } from 'node:fs/promises'

/**
 * Whether other users' processes can be seen. Where /proc is mounted with `hidepid` (proc(5)) they are not there, and
 * that one is missing says nothing of it.
 */
export async function seesEveryProcess(): Promise<boolean> {
  if (process.platform !== 'linux') return true
  // PID 1 always lives, and is somebody else's for all but root.
  return stat('/proc/1/stat').then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
}
