import { readFile } from 'node:fs/promises'
import { execa } from 'execa'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { cookieIn } from './cookie.js'
import type { CookieReading, Numbered, ProcessEntry, ProcessTable } from './table.js'

/**
 * The process table by `ps`, for systems without /proc (macOS). Start times have a resolution of one second,
 * and between `ps` and a signal lie milliseconds: weaker than /proc on both counts.
 */
export async function openPosixTable(): Promise<ProcessTable> {
  const bootId = await readBootId()
  const toIdentity = ({ pid, startTime }: Numbered): Identity => ({
    pid,
    startTime,
    bootId,
    pidNamespace: '',
  })
  const find = async (pid: number) => (await list()).find((entry) => entry.pid === pid)
  const own = await find(process.pid)
  if (!own) throw new CoppiceError('launch_failed', 'ps does not show this process', { path: 'ps' })

  return {
    self: toIdentity(own),
    list,
    cookiesOf,
    async cookieOf(pid) {
      const reading = (await cookiesOf([pid])).get(pid)
      return reading === undefined ? 'unknown' : reading
    },
    async identify(pid) {
      const found = await find(pid)
      return found ? toIdentity(found) : null
    },
    async identifyChild(pid) {
      // It may have ended before `ps` looked; an empty start time is nobody's.
      const found = await find(pid)
      return toIdentity(found?.ppid === process.pid ? found : { pid, startTime: '' })
    },
    async isAlive(identity) {
      if (identity.bootId !== bootId) return 'dead'
      if (identity.pidNamespace !== '') return 'unknown'
      const found = await find(identity.pid)
      return found?.state === 'alive' && found.startTime === identity.startTime ? 'alive' : 'dead'
    },
    signalAll,
    async signal(identity, signal) {
      if (identity.bootId !== bootId || identity.pidNamespace !== '') return false
      return (await signalAll([identity], signal)).length > 0
    },
    startedBefore: (startTime, other) => Date.parse(startTime) < Date.parse(other),
  }
}

async function list(): Promise<ProcessEntry[]> {
  const columns = ['pid', 'ppid', 'pgid', 'sess', 'stat', 'lstart', 'comm'].map((name) => `${name}=`)
  const lines = await ps(['-A', ...columns.flatMap((column) => ['-o', column])])
  return lines.flatMap(parseLine)
}

/** `lstart` is five words in the C locale: `Thu Nov 20 23:37:00 2025`. Exported for tests. */
export function parseLine(line: string): ProcessEntry[] {
  const found = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+((?:\S+\s+){4}\d{4})\s(.*)$/.exec(line)
  if (!found) return []
  const [, pid, ppid, pgid, session = '', stat = '', startTime = '', name = ''] = found
  return [
    {
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      // macOS prints the address of a kernel structure, or 0.
      sid: /^[1-9]\d*$/.test(session) ? Number(session) : null,
      state: stat.startsWith('Z') ? 'zombie' : 'alive',
      startTime: startTime.replaceAll(/\s+/g, ' '),
      name: name.trim(),
    },
  ]
}

/** `ps` shows the environment behind the arguments and separates nothing: a value ends at its first space. */
async function cookiesOf(pids: readonly number[]): Promise<Map<number, CookieReading>> {
  const readings = new Map<number, CookieReading>(pids.map((pid) => [pid, 'unknown']))
  if (pids.length === 0) return readings
  const showEnvironment = process.platform === 'darwin' ? '-Eww' : 'eww'
  for (const line of await ps([showEnvironment, '-o', 'pid=,command=', '-p', pids.join(',')]).catch(
    () => [],
  )) {
    const words = line.trim().split(/\s+/)
    readings.set(Number(words[0]), cookieIn(words.toReversed()))
  }
  return readings
}

async function signalAll<T extends Numbered>(processes: readonly T[], signal: NodeJS.Signals): Promise<T[]> {
  const living = new Map((await list()).map((entry) => [entry.pid, entry]))
  return processes.filter(({ pid, startTime }) => {
    const found = living.get(pid)
    if (!(pid > 1) || pid === process.pid) return false
    if (found?.state !== 'alive' || found.startTime !== startTime) return false
    try {
      return process.kill(pid, signal)
    } catch {
      return false
    }
  })
}

/** In one locale and time zone, since the start time that it prints is compared with later ones as text. */
async function ps(args: readonly string[]): Promise<string[]> {
  const { stdout } = await execa('ps', args, { env: { LC_ALL: 'C', TZ: 'UTC' }, timeout: 5000 })
  return stdout.split('\n')
}

async function readBootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch {
    const { stdout } = await execa('sysctl', ['-n', 'kern.bootsessionuuid'])
    return stdout.trim()
  }
}
