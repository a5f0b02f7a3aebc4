import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { cookieIn } from './cookie.js'
import type { CookieReading } from './table.js'

const concurrency = 16
const timeLimit = 250

/**
 * The cookies of many processes by /proc/<pid>/environ. Unlike `stat`, reading it takes a lock of the process's
 * memory and can wait for as long as the process does; so it goes through the thread pool, and what has not
 * been read within 250 ms is `unknown`.
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
  await Promise.race([
    Promise.all(readers),
    delay(timeLimit, undefined, { signal: limit.signal }).catch(() => {}),
  ])
  limit.abort()
  return readings
}

async function readCookie(pid: number): Promise<CookieReading> {
  try {
    let environment = await readFile(`/proc/${pid}/environ`)
    // In the middle of an exec it is empty for an instant.
    if (environment.length === 0) environment = await readFile(`/proc/${pid}/environ`)
    return environment.includes('COPPICE_') ? cookieIn(environment.toString('utf8').split('\0')) : null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ESRCH' ? null : 'unknown'
  }
}
