import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { cookieIn } from './cookie.js'
import type { CookieReading } from './table.js'

const concurrency = 16
const timeLimit = 250

/**
 * The cookies of many processes by /proc/<pid>/environ. Unlike `stat`, reading it takes a lock of the process's
 * memory and can wait for as long as the process does; so it goes through the thread pool, and what has not
 * been read within 250 ms is `unknown`. Rejects where we are out of descriptors.
 */
export async function readCookies(pids: readonly number[]): Promise<Map<number, CookieReading>> {
  const readings = new Map<number, CookieReading>(pids.map((pid) => [pid, 'unknown']))
  if (pids.length === 0) return readings
  const limit = new AbortController()
  const queue = pids.values()
  const readers = Array.from({ length: Math.min(concurrency, pids.length) }, async () => {
    for (const pid of queue) {
      const reading = await readCookie(pid)
      if (limit.signal.aborted) return
      readings.set(pid, reading)
    }
  })
  try {
    const timeout = delay(timeLimit, undefined, { signal: limit.signal }).catch(() => {})
    await Promise.race([Promise.all(readers), timeout])
    return readings
  } finally {
    limit.abort()
  }
}

async function readCookie(pid: number): Promise<CookieReading> {
  try {
    const environment = await readEnvironment(pid)
    if (environment === null) return 'unknown'
    return environment.includes('COPPICE_') ? cookieIn(environment.toString('utf8').split('\0')) : null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EMFILE' || code === 'ENFILE') throw error
    return code === 'ENOENT' || code === 'ESRCH' ? null : 'unknown'
  }
}

/**
 * In the middle of an exec a process shows an empty environment for as long as its program is being loaded, and
 * an empty command line with it: a daemon of ours must not pass for a stranger then. Null where that goes on.
 */
async function readEnvironment(pid: number): Promise<Buffer | null> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const environment = await readFile(`/proc/${pid}/environ`)
    if (environment.length > 0) return environment
    const commandLine = await readFile(`/proc/${pid}/cmdline`)
    // The command line becomes visible first, by a hair.
    if (commandLine.length > 0) return readFile(`/proc/${pid}/environ`)
    await delay(2)
  }
  return null
}
