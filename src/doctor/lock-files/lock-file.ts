import type { Stats } from 'node:fs'
import type { Condition } from '../../containment/processes/condition.js'
import { isOver, processNumbered } from '../../containment/processes/condition.js'

/**
 * The lock files that OpenClaw kept beside its transcripts, up to 2026.7: `NAME.jsonl.lock` is made with O_EXCL, holds
 * `{ pid, createdAt, starttime?, maxHoldMs? }` as JSON, is kept open while it is held, and removed at the end. `starttime` is
 * in clock ticks since boot (proc_pid_stat(5), field 22), `createdAt` an ISO 8601 time.
 */
export interface LockFile {
  readonly path: string
  readonly pid: number | null
  /** Of the process that has this number; null where none has, or no number is there. */
  readonly condition: Condition | null
  readonly createdAt: string | null
  readonly ageMs: number
  readonly reasons: readonly LockReason[]
  /** `gone`: there is proof of it. `held`: it lives. `unknown`: neither can be said. */
  readonly holder: 'held' | 'gone' | 'unknown'
  /** Whether removing it takes a lock from nobody. */
  readonly isRemovable: boolean
}

/** What is unusual about a lock file; a file without any is an ordinary lock that is held. */
export const lockReasons = [
  'missing-pid',
  'dead-pid',
  'recycled-pid',
  'too-old',
  'hold-exceeded',
  'unreadable',
  'not-understood',
  'no-transcript',
] as const
export type LockReason = (typeof lockReasons)[number]

/** OpenClaw's own bound for a lock. That one is older proves nothing: its holder may well be at work. */
const tooOld = 30 * 60_000
/** Between the making of a file and the writing of its text a crash leaves one that says nothing. */
const longestWriting = 30_000
/** Longer than any of its lock files. */
export const longestText = 4_096

/** A file as it was read, by which it is known again. */
export interface ReadFile {
  readonly path: string
  readonly stats: Stats
  /** Null where it is no regular file, or too long for a lock. */
  readonly text: string | null
  readonly hasTranscript: boolean
}

export async function judge(file: ReadFile, now: number): Promise<LockFile> {
  const { path, stats, text, hasTranscript } = file
  const sinceWritten = Math.max(0, now - stats.mtimeMs)
  const beside: LockReason[] = hasTranscript ? [] : ['no-transcript']
  const nobody = { path, pid: null, condition: null, createdAt: null, ageMs: Math.round(sinceWritten) }
  const content = text === null ? 'not-understood' : parse(text)
  if (typeof content === 'string') {
    const isRemovable = content === 'unreadable' && sinceWritten > longestWriting
    return { ...nobody, reasons: [content, ...beside], holder: 'unknown', isRemovable }
  }
  const { pid, createdAt, starttime, maxHoldMs } = content
  const age = createdAt === null ? sinceWritten : Math.max(0, now - Date.parse(createdAt))
  const reasons: LockReason[] = [
    ...(age > tooOld ? (['too-old'] as const) : []),
    ...(maxHoldMs !== null && age > maxHoldMs ? (['hold-exceeded'] as const) : []),
    ...beside,
  ]
  const known = { path, pid, createdAt, ageMs: Math.round(age) }
  if (pid === null)
    return {
      ...known,
      condition: null,
      reasons: ['missing-pid', ...reasons],
      holder: 'unknown',
      isRemovable: false,
    }
  const found = await processNumbered(pid)
  const condition = found?.condition ?? null
  const dead = deathOf(found, starttime)
  if (dead !== null)
    return { ...known, condition, reasons: [dead, ...reasons], holder: 'gone', isRemovable: true }
  return {
    ...known,
    condition,
    reasons,
    holder: condition === 'unknown' ? 'unknown' : 'held',
    isRemovable: false,
  }
}

function deathOf(
  found: Awaited<ReturnType<typeof processNumbered>>,
  starttime: number | null,
): 'dead-pid' | 'recycled-pid' | null {
  if (found === null || isOver(found.condition)) return 'dead-pid'
  if (found.condition === 'unknown' || starttime === null) return null
  return found.identity.startTime === String(starttime) ? null : 'recycled-pid'
}

interface Content {
  readonly pid: number | null
  readonly createdAt: string | null
  readonly starttime: number | null
  readonly maxHoldMs: number | null
}

/** `unreadable` is what a crash leaves of such a file: nothing, or its beginning. Anything else is another program's. */
function parse(text: string): Content | 'unreadable' | 'not-understood' {
  const begun = text.trim()
  if (begun === '') return 'unreadable'
  let value: unknown
  try {
    value = JSON.parse(begun)
  } catch {
    return /^\{\s*("|$)/.test(begun) ? 'unreadable' : 'not-understood'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not-understood'
  const { pid, createdAt, starttime, maxHoldMs } = value as Record<string, unknown>
  if (pid === undefined && createdAt === undefined) return 'not-understood'
  return {
    pid: wholeNumber(pid) !== 0 ? wholeNumber(pid) : null,
    createdAt: typeof createdAt === 'string' && !Number.isNaN(Date.parse(createdAt)) ? createdAt : null,
    starttime: wholeNumber(starttime),
    maxHoldMs: wholeNumber(maxHoldMs),
  }
}

function wholeNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
