import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { CoppiceError } from '../errors.js'
import type { HostPipe } from './contract.js'

/**
 * What is read stands here until whoever takes it returns: a buffer of its own for each chunk, of a tool that writes without
 * pause, would be a gigabyte of garbage for each gigabyte, which the collector lets stand as megabytes of memory.
 */
const chunk = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * The end of a tree's output: `take` gets what is read, which is its own until it returns, and keeps copies. Without it
 * the stream is one like any other.
 */
export function openOutput(pipe: HostPipe, take?: (chunk: Uint8Array) => void): Socket {
  const options = { readable: true, writable: false }
  if (take === undefined) return openPipe(pipe, constants.O_RDONLY, options)
  const callback = (length: number) => {
    take(chunk.subarray(0, length))
    return true
  }
  return openPipe(pipe, constants.O_RDONLY, { ...options, onread: { buffer: chunk, callback } })
}

/** The end of a tree's input. */
export function openInput(pipe: HostPipe): Socket {
  return openPipe(pipe, constants.O_WRONLY, { readable: false, writable: true })
}

/**
 * Opens our end of a tree's pipe, which its guard holds until we have it. Synchronously, in some microseconds: an
 * open that is queued in the thread pool could wait behind hung calls of the host's. Neither end can block it, since
 * the guard holds both.
 *
 * Throws `launch_failed` where it cannot be had, or another pipe has the name by now.
 */
function openPipe({ path, inode }: HostPipe, access: number, options: SocketConstructorOpts): Socket {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, access | constants.O_NONBLOCK)
    const found = fstatSync(descriptor, { bigint: true })
    if (!found.isFIFO() || found.ino !== inode) throw new Error('it is another file by now')
    return new Socket({ ...options, fd: descriptor })
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw new CoppiceError('launch_failed', `cannot open the pipe ${path}: ${(cause as Error).message}`, {
      path,
      cause,
    })
  }
}
