import { execa } from 'execa'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { findHelper } from '../built.js'
import { againIfRefused } from '../passing-refusals.js'
import { cookieIn } from './cookie.js'
import type { CookieReading, Liveness, Numbered, ProcessEntry, ProcessTable } from './table.js'

/** Milliseconds that a look may take. */
const bound = 10_000

/**
 * The process table of Windows, by our helper; by PowerShell where that is missing, which sees no environment. A start time
 * is the moment of creation in units of 100 ns since 1601: with the number it is unique across boots.
 */
export async function openWindowsTable(): Promise<ProcessTable> {
  const helper = await findHelper()
  const look = (pids: readonly number[], kind: '--processes' | '--variables') =>
    helper === null ? byPowerShell(pids) : linesOf(helper, [kind, ...pids.map(String)])
  const list = async (pids: readonly number[] = []) =>
    ownParents((await look(pids, '--processes')).flatMap(parseLine))
  const find = async (pid: number) => (await list([pid])).find((entry) => entry.pid === pid)
  const own = await find(process.pid)
  if (!own)
    throw new CoppiceError('launch_failed', 'this process is not among the system’s', {
      path: helper ?? 'powershell',
    })

  const cookiesOf = async (pids: readonly number[]) => {
    const readings = new Map<number, CookieReading>(pids.map((pid) => [pid, 'unknown']))
    if (pids.length === 0 || helper === null) return readings
    // A command line holds 32,767 characters: of many processes all are asked for.
    const asked = pids.length > 1_000 ? [] : pids
    for (const line of await look(asked, '--variables')) {
      const [pid, , , , ...variables] = line.split('\t')
      if (!readings.has(Number(pid))) continue
      readings.set(Number(pid), variables[0] === '?' ? 'unknown' : cookieIn(variables))
    }
    return readings
  }
  const signalAll = async <T extends Numbered>(
    processes: readonly T[],
    signal: NodeJS.Signals,
  ): Promise<T[]> => {
    // There are no others: a process can only be ended.
    const ours = processes.filter(({ pid }) => pid > 1 && pid !== process.pid)
    if (signal !== 'SIGKILL' || ours.length === 0) return []
    if (helper === null) return killListed(ours, await list())
    const ended = new Set<number>()
    for (let first = 0; first < ours.length; first += 500) {
      const marks = ours.slice(first, first + 500).map(({ pid, startTime }) => `${pid}:${startTime}`)
      for (const pid of await linesOf(helper, ['--end', ...marks])) ended.add(Number(pid))
    }
    return ours.filter(({ pid }) => ended.has(pid))
  }

  return {
    self: toIdentity(own),
    list: () => list(),
    cookiesOf,
    async cookieOf(pid) {
      return (await cookiesOf([pid])).get(pid) ?? null
    },
    async identify(pid) {
      const found = await find(pid)
      return found ? toIdentity(found) : null
    },
    async identifyChild(pid) {
      // It may have ended before we looked; an empty start time is nobody's.
      const found = await find(pid)
      return toIdentity(found?.ppid === process.pid ? found : { pid, startTime: '' })
    },
    async isAlive({ pid, startTime, bootId, pidNamespace }): Promise<Liveness> {
      // Another system's, which shares the file with us.
      if (bootId !== '' || pidNamespace !== '') return 'unknown'
      const found = await find(pid)
      if (found?.startTime === unknownStart) return 'unknown'
      return found?.startTime === startTime ? 'alive' : 'dead'
    },
    signalAll,
    async signal(identity, signal) {
      if (identity.bootId !== '' || identity.pidNamespace !== '') return false
      return (await signalAll([identity], signal)).length > 0
    },
    startedBefore: (startTime, other) => Number(startTime) < Number(other),
  }
}

/** Of a process that we may not look at. */
const unknownStart = '0'

/** Number, parent's number, start, name. Exported for tests. */
export function parseLine(line: string): ProcessEntry[] {
  const [pid = '', ppid = '', startTime = '', name = ''] = line.split('\t')
  if (!/^\d+$/.test(pid) || !/^\d+$/.test(ppid)) return []
  // A console's host is the system's, whatever environment it has, and ends with the last process of its console.
  if (name.trim().toLowerCase() === 'conhost.exe') return []
  return [
    {
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: 0,
      sid: null,
      state: 'alive',
      startTime,
      name: name.trim(),
    },
  ]
}

/** Windows gives a number out again while children name it still: a parent that is younger than its child is none. */
function ownParents(entries: readonly ProcessEntry[]): ProcessEntry[] {
  const starts = new Map(entries.map(({ pid, startTime }) => [pid, BigInt(startTime || unknownStart)]))
  return entries.map((entry) => {
    const parent = starts.get(entry.ppid)
    const isStranger = parent !== undefined && parent > BigInt(entry.startTime || unknownStart)
    return isStranger ? { ...entry, ppid: 0 } : entry
  })
}

/** Without the helper, between the look and the end lie milliseconds: as little as can be had. */
function killListed<T extends Numbered>(processes: readonly T[], living: readonly ProcessEntry[]): T[] {
  return processes.filter(({ pid, startTime }) => {
    if (!living.some((one) => one.pid === pid && one.startTime === startTime)) return false
    try {
      return process.kill(pid, 'SIGKILL')
    } catch {
      return false
    }
  })
}

function toIdentity({ pid, startTime }: Numbered): Identity {
  return { pid, startTime, bootId: '', pidNamespace: '' }
}

async function linesOf(helper: string, args: readonly string[]): Promise<string[]> {
  const { stdout } = await againIfRefused(() => execa(helper, args, { timeout: bound }))
  return stdout.split('\n').map((line) => line.replace(/\r$/, ''))
}

async function byPowerShell(pids: readonly number[]): Promise<string[]> {
  const filter = pids.length === 0 ? '' : ` -Filter '${pids.map((pid) => `ProcessId=${pid}`).join(' OR ')}'`
  const start = '$(if ($_.CreationDate) { $_.CreationDate.ToFileTimeUtc() } else { 0 })'
  const script = `Get-CimInstance Win32_Process${filter} | ForEach-Object { "$($_.ProcessId)\`t$($_.ParentProcessId)\`t${start}\`t$($_.Name)" }`
  return linesOf('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', script])
}
