import type { Identity } from '../../identity.js'
import { openLinuxTable } from './linux.js'
import { openPosixTable } from './posix.js'
import type { ProcessTable } from './table.js'

/** The process table of the platform that we run on, chosen and opened once. */
export function processTable(): Promise<ProcessTable> {
  chosen ??= (process.platform === 'linux' ? openLinuxTable() : openPosixTable()).catch((error: unknown) => {
    chosen = undefined
    throw error
  })
  return chosen
}

let chosen: Promise<ProcessTable> | undefined

/** Who we are. */
export async function self(): Promise<Identity> {
  return (await processTable()).self
}
