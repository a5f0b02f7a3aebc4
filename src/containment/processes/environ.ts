import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { cookieIn } from './cookie.js'
import { hasNoEnvironment, readStat } from './stat.js'
import type { Cookie, CookieReading } from './table.js'

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
    return environment === null ? cookieOfThreads(pid) : cookieWithin(environment)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EMFILE' || code === 'ENFILE') throw error
    if (code === 'ESRCH' && readStat(pid)?.state === 'alive') return cookieOfThreads(pid)
    return code === 'ENOENT' || code === 'ESRCH' ? null : 'unknown'
  }
}

/** Of a process whose main thread has ended, and with it what /proc shows of the process; its other threads work on. To others than root it shows nothing. */
async function cookieOfThreads(pid: number): Promise<CookieReading> {
  for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const environment = await readFile(`/proc/${pid}/task/${thread}/environ`).catch(() => null)
    if (environment?.length) return cookieWithin(environment)
  }
  return 'unknown'
}

function cookieWithin(environment: Buffer): Cookie | null {
  return environment.includes('COPPICE_') ? cookieIn(environment.toString('utf8').split('\0')) : null
}

/**
 * In the middle of an exec a process shows an empty environment for as long as its program is being loaded: a daemon of
 * ours must not pass for a stranger then. Null where that goes on.
 */
async function readEnvironment(pid: number): Promise<Buffer | null> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const environment = await readFile(`/proc/${pid}/environ`)
    if (environment.length > 0 || hasNoEnvironment(pid)) return environment
    await delay(2)
  }
  return null
}
