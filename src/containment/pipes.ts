import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { CoppiceError } from '../errors.js'
import type { HostPipe } from './contract.js'

/**
 * Opens our end of a tree's pipe, which its guard holds until we have it. Synchronously, in some microseconds: an
 * open that is queued in the thread pool could wait behind hung calls of the host's. Neither end can block it, since
 * the guard holds both.
 *
 * Throws `launch_failed` where it cannot be had, or another pipe has the name by now.
 */
export function openPipe({ path, inode }: HostPipe, direction: 'read' | 'write'): Socket {
  const access = direction === 'read' ? constants.O_RDONLY : constants.O_WRONLY
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, access | constants.O_NONBLOCK)
    const found = fstatSync(descriptor, { bigint: true })
    if (!found.isFIFO() || found.ino !== inode) throw new Error('it is another file by now')
    return new Socket({ fd: descriptor, readable: direction === 'read', writable: direction === 'write' })
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw new CoppiceError('launch_failed', `cannot open the pipe ${path}: ${(cause as Error).message}`, {
      path,
      cause,
    })
  }
}
