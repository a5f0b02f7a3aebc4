import { readdirSync, readFileSync } from 'node:fs'

/** Who lives, read from /proc and with none of the code under test. A zombie does not live. */

export interface Living {
  readonly pid: number
  readonly startTime: string
}

export function isAlive(pid: number, startTime: string): boolean {
  return startTimeOf(pid) === startTime
}

/** Null where no process of this number lives. */
export function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A main thread that has ended looks like a zombie while the other threads work on.
    return fields[0] === 'Z' && fields[17] === '1' ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}

export function living(pid: number): Living {
  const startTime = startTimeOf(pid)
  if (startTime === null) throw new Error(`no process ${pid} lives`)
  return { pid, startTime }
}

/** None where no process of this number lives. */
export function livingIfAny(pid: number): Living[] {
  const startTime = pid > 0 ? startTimeOf(pid) : null
  return startTime === null ? [] : [{ pid, startTime }]
}

/** Living processes whose COPPICE_RUN is this or below it, or whose COPPICE_TREE is this. */
export function carriers(value: string): Living[] {
  return readdirSync('/proc').flatMap((name) => {
    const startTime = /^\d+$/.test(name) ? startTimeOf(Number(name)) : null
    return startTime !== null && carries(name, value) ? [{ pid: Number(name), startTime }] : []
  })
}

function carries(pid: string, value: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some(
        (variable) =>
          variable === `COPPICE_TREE=${value}` ||
          variable === `COPPICE_RUN=${value}` ||
          variable.startsWith(`COPPICE_RUN=${value}/`),
      )
  } catch {
    return false
  }
}

export function nameOf(pid: number): string {
  return fieldOf(pid, /\((.*)\) /s)
}

export function parentOf(pid: number): number {
  return Number(fieldOf(pid, /\) \S (\d+)/))
}

function fieldOf(pid: number, pattern: RegExp): string {
  try {
    return pattern.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''
  } catch {
    return ''
  }
}

/** Ends a process that a test itself has let escape. */
export function killIfAlive({ pid, startTime }: Living): void {
  if (isAlive(pid, startTime)) process.kill(pid, 'SIGKILL')
}

export function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
