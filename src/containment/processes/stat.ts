import { closeSync, openSync, readSync } from 'node:fs'
import type { ProcessEntry } from './table.js'

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
