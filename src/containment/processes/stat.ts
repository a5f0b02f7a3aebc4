import { closeSync, openSync, readSync } from 'node:fs'
import { uptime } from 'node:os'
import { type ProcessUsage, stateOf } from './process-state.js'
import type { Numbered, ProcessEntry } from './table.js'

/**
 * One process as /proc/<pid>/stat tells it; null where it is gone.
 *
 * Read synchronously on purpose. The kernel makes this file in memory and never waits for it, in 5 microseconds;
 * through the thread pool it takes ten times the CPU, and an answer could wait behind the host's hung file
 * system calls, just when a tree has to be killed. It also lets a signal follow its identity check with nothing
 * in between. Errors other than "gone" (out of descriptors) are thrown: they are no proof of a death.
 */
export function readStat(pid: number | string): ProcessEntry | null {
  const text = readStatText(pid)
  return text === null ? null : parseStat(text)
}

/** The letter of its state, `T` for stopped and `t` for traced; null where it is gone. */
export function readState(pid: number): string | null {
  const text = readStatText(pid)
  return text === null ? null : text.charAt(text.lastIndexOf(')') + 2)
}

/**
 * Whether its environment is empty for good: it begins (field 50) where it ends (51). In an exec that is so for a moment, and
 * the new program has no beginning (26) until after that.
 */
export function hasNoEnvironment(pid: number): boolean {
  const text = readStatText(pid)
  if (text === null) return true
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[26 - 3] !== '0' && fields[50 - 3] === fields[51 - 3]
}

/** USER_HZ, which Linux fixes for what it tells user space on every architecture that Node runs on. */
const ticksPerSecond = 100

/** Bytes of a page, which nothing tells Node: by our own memory in both units, rounded to the power of two that it is. */
let pageBytes: number | null = null

function pageSize(): number {
  pageBytes ??= 2 ** Math.round(Math.log2(process.memoryUsage.rss() / pagesOf(readStatText('self') ?? '')))
  return pageBytes
}

function pagesOf(text: string): number {
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[21])
}

/** Null where it is gone, or somebody else has its number. */
export function readUsage({ pid, startTime }: Numbered): ProcessUsage | null {
  const text = readStatText(pid)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  if (fields[19]?.trim() !== startTime) return null
  return {
    pid,
    startTime,
    state: parseStat(text).state === 'zombie' ? 'zombie' : stateOf(fields[0] ?? ''),
    // Since boot, as the start times are, and like them with the time in which the machine slept.
    ageMs: Math.max(0, Math.round(uptime() * 1000 - (field(22) * 1000) / ticksPerSecond)),
    cpuMs: Math.round(((field(14) + field(15)) * 1000) / ticksPerSecond),
    residentBytes: field(24) * pageSize(),
  }
}

function readStatText(pid: number | string): string | null {
  let descriptor: number | undefined
  try {
    descriptor = openSync(`/proc/${pid}/stat`, 'r')
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, 0))
  } catch (error) {
    if (isGone(error)) return null
    throw error
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

const buffer = Buffer.alloc(4096)

/** Exported for tests. */
export function parseStat(text: string): ProcessEntry {
  // The name stands in parentheses and may itself hold spaces, parentheses and newlines; what follows may not.
  const nameEnds = text.lastIndexOf(')')
  const name = text.slice(text.indexOf('(') + 1, nameEnds)
  const fields = text.slice(nameEnds + 2).split(' ')
  const field = (number: number) => fields[number - 3] ?? ''
  return {
    pid: Number.parseInt(text, 10),
    ppid: Number(field(4)),
    pgid: Number(field(5)),
    sid: Number(field(6)),
    state: isDead(field(3), Number(field(20))) ? 'zombie' : 'alive',
    startTime: field(22).trim(),
    name,
  }
}

/** A main thread that has ended shows as a zombie also while the process's other threads go on working. */
function isDead(state: string, threads: number): boolean {
  return (state === 'Z' || state === 'X' || state === 'x') && threads <= 1
}

function isGone(error: unknown): boolean {
  // ESRCH: it was reaped between the open and the read.
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ESRCH'
}
