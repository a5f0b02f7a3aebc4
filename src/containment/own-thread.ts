import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/**
 * The number by which the kernel knows the calling thread, for the scheduler; null where there is no `/proc/thread-self`, whose
 * target is PID/task/NUMBER.
 */
export function ownThread(): number | null {
  try {
    return Number(basename(readlinkSync('/proc/thread-self')))
  } catch {
    return null
  }
}
