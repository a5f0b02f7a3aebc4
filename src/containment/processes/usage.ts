import { execa } from 'execa'
import { type ProcessUsage, stateOf } from './process-state.js'
import { readUsage } from './stat.js'
import type { Numbered } from './table.js'

/**
 * What processes of this machine are at and what they have used. One that is gone is left out, and so is one whose
 * number is another's by now. Empty where the system does not tell.
 */
export async function usageOf(processes: readonly Numbered[]): Promise<ProcessUsage[]> {
  if (processes.length === 0) return []
  if (process.platform === 'linux') return processes.flatMap((one) => readUsage(one) ?? [])
  return process.platform === 'win32' ? [] : usageByPs(processes)
}

/** By `ps`, in whose words only those that POSIX knows are used. */
async function usageByPs(processes: readonly Numbered[]): Promise<ProcessUsage[]> {
  const columns = ['pid', 'etime', 'time', 'rss', 'stat', 'lstart'].flatMap((name) => ['-o', `${name}=`])
  const ps = execa('ps', [...columns, '-p', processes.map(({ pid }) => pid).join(',')], {
    env: { LC_ALL: 'C', TZ: 'UTC' },
    timeout: 5000,
    // Where one of them is gone it says so by its exit code.
    reject: false,
  })
  const wanted = new Map(processes.map((one) => [one.pid, one.startTime]))
  return (await ps).stdout
    .split('\n')
    .flatMap(parseLine)
    .filter(({ pid, startTime }) => wanted.get(pid) === startTime)
}

/** Exported for tests. */
export function parseLine(line: string): ProcessUsage[] {
  const [pid, elapsed = '', time = '', rss, stat = '', ...started] = line.trim().split(/\s+/)
  if (pid === undefined || started.length === 0) return []
  return [
    {
      pid: Number(pid),
      startTime: started.join(' '),
      state: stateOf(stat),
      ageMs: clock(elapsed),
      cpuMs: clock(time),
      residentBytes: Number(rss) * 1024,
    },
  ]
}

/** `[[dd-]hh:]mm:ss`, the seconds with hundredths on macOS. */
function clock(text: string): number {
  const [, days = '0', rest = ''] = /^(?:(\d+)-)?(.*)$/.exec(text) ?? []
  const seconds = rest.split(':').reduce((total, part) => total * 60 + Number(part), 0)
  return Math.round((Number(days) * 86_400 + seconds) * 1000)
}
