import { readdirSync } from 'node:fs'
import { readFile, readlink } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CoppiceError } from '../../errors.js'
import type { Identity } from '../../identity.js'
import { readCookies } from './environ.js'
import { readStat } from './stat.js'
import type { Liveness, Numbered, ProcessEntry, ProcessTable } from './table.js'

/** The process table by /proc. Rejects where /proc shows another pid namespace than the one we live in. */
export async function openLinuxTable(): Promise<ProcessTable> {
  const shown = await readlink('/proc/self').catch(() => null)
  if (shown !== String(process.pid)) {
    throw new CoppiceError('launch_failed', '/proc does not show the pid namespace of this process', {
      path: '/proc',
    })
  }
  const bootId = await readBootId()
  const pidNamespace = await readlink('/proc/self/ns/pid')
  const toIdentity = ({ pid, startTime }: Numbered): Identity => ({ pid, startTime, bootId, pidNamespace })
  const self = toIdentity(present(readStat(process.pid)))
  let next: Promise<ProcessEntry[]> | undefined

  return {
    self,
    list() {
      // All who ask before the reading has begun share it: a hundred trees that end together cost one.
      next ??= nextTurn().then(() => {
        next = undefined
        return readAll()
      })
      return next
    },
    cookiesOf: readCookies,
    async cookieOf(pid) {
      const reading = (await readCookies([pid])).get(pid)
      return reading === undefined ? 'unknown' : reading
    },
    async identify(pid) {
      const found = readStat(pid)
      return found && toIdentity(found)
    },
    // In the turn in which it was spawned libuv cannot have reaped it: the number is still its own.
    async identifyChild(pid) {
      return toIdentity(present(readStat(pid)))
    },
    async isAlive(identity) {
      if (identity.bootId !== bootId) return 'dead'
      if (identity.pidNamespace !== pidNamespace) return 'unknown'
      return liveness(identity)
    },
    async signalAll(processes, signal) {
      return processes.filter((one) => signalIfSame(one, signal))
    },
    async signal(identity, signal) {
      const here = identity.bootId === bootId && identity.pidNamespace === pidNamespace
      return here && signalIfSame(identity, signal)
    },
    startedBefore: (startTime, other) => Number(startTime) < Number(other),
  }
}

/** So many are read in a row (about a millisecond) before other work of the loop gets its turn. */
const slice = 256

async function readAll(): Promise<ProcessEntry[]> {
  const read = new Set<string>()
  const entries: ProcessEntry[] = []
  // A process that forks and exits between the listing and its own reading would hide its child: so the list
  // is looked at again, until it holds nothing new. Three times is enough for anything but a storm.
  for (let round = 0; round < 3; round++) {
    const fresh = readdirSync('/proc').filter((name) => isNumber(name) && !read.has(name))
    if (fresh.length === 0) break
    for (const [index, name] of fresh.entries()) {
      if (index % slice === slice - 1) await nextTurn()
      read.add(name)
      const entry = readStat(name)
      if (entry) entries.push(entry)
    }
  }
  return entries
}

function isNumber(name: string): boolean {
  const first = name.charCodeAt(0)
  return first >= 48 && first <= 57
}

/** Check and signal in one go: nothing of ours, a reaping least of all, can come in between. */
function signalIfSame({ pid, startTime }: Numbered, signal: NodeJS.Signals): boolean {
  if (!(pid > 1) || pid === process.pid) return false
  try {
    const found = readStat(pid)
    if (found?.state !== 'alive' || found.startTime !== startTime) return false
    return process.kill(pid, signal)
  } catch {
    // ESRCH: gone after all. EPERM: not ours to signal. EMFILE: nothing known, so nothing signalled.
    return false
  }
}

function liveness({ pid, startTime }: Numbered): Liveness {
  try {
    const found = readStat(pid)
    if (found) return found.state === 'alive' && found.startTime === startTime ? 'alive' : 'dead'
    // Where /proc is mounted with hidepid, absence from it is no proof.
    return exists(pid) && readStat(pid) === null ? 'unknown' : 'dead'
  } catch {
    return 'unknown'
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function readBootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch {
    const bootTime = /^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))
    return bootTime?.[1] ?? ''
  }
}

function present(entry: ProcessEntry | null): ProcessEntry {
  if (entry) return entry
  throw new CoppiceError('launch_failed', 'a process that must exist is not in /proc', { path: '/proc' })
}
