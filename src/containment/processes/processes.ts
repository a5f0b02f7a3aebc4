import type { Identity } from '../../identity.js'
import { openLinuxTable } from './linux.js'
import type { ProcessTable } from './table.js'

/** The process table of the platform that we run on, chosen and opened once. */
export function processTable(): Promise<ProcessTable> {
  chosen ??= open().catch((error: unknown) => {
    chosen = undefined
    throw error
  })
  return chosen
}

/** What starts programs to look is loaded where there is no /proc alone. */
async function open(): Promise<ProcessTable> {
  switch (process.platform) {
    case 'linux':
      return openLinuxTable()
    case 'win32':
      return (await import('./windows.js')).openWindowsTable()
    default:
      return (await import('./posix.js')).openPosixTable()
  }
}

let chosen: Promise<ProcessTable> | undefined

/** Who we are. */
export async function self(): Promise<Identity> {
  return (await processTable()).self
}
