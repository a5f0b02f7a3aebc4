import { readdirSync, readFileSync } from 'node:fs'
import { look } from './alive-on-windows.ts'

/** Who lives, read from /proc and with none of the code under test; on Windows by its helper. A zombie does not live. */

const isWindows = process.platform === 'win32'

export interface Living {
  readonly pid: number
  readonly startTime: string
}

export function isAlive(pid: number, startTime: string): boolean {
  return startTimeOf(pid) === startTime
}

/** Null where no process of this number lives. */
export function startTimeOf(pid: number): string | null {
  if (isWindows) return pid > 0 ? (look([pid])[0]?.startTime ?? null) : null
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

/** Living processes whose COPPICE_RUN is one of these or below it, or whose COPPICE_TREE is one of these. */
export function carriersOf(values: readonly string[]): Living[] {
  const carry = (variables: readonly string[]) => values.some((value) => carriesIn(variables, value))
  if (isWindows) return look([]).filter(({ variables }) => carry(variables))
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const startTime = Number.isInteger(pid) ? startTimeOf(pid) : null
    return startTime !== null && carry(cookiesOf(pid)) ? [{ pid, startTime }] : []
  })
}

export function carriers(value: string): Living[] {
  return carriersOf([value])
}

function cookiesOf(pid: number): string[] {
  return environmentOf(pid)
    .split('\0')
    .filter((variable) => variable.startsWith('COPPICE_'))
}

/**
 * Empty where it cannot be read. In the middle of an exec a process shows an empty one, and is to be seen nevertheless: it
 * is looked at again until its program is there (field 26 of proc_pid_stat(5)), or somebody holds the exec up.
 */
function environmentOf(pid: number): string {
  try {
    for (const until = performance.now() + 50; ; ) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
      if (environment !== '' || performance.now() >= until) return environment
      if (startTimeOf(pid) === null || isKernelThread(pid)) return ''
      // Its program begins somewhere, and its environment where it ends (50, 51): there is none.
      if (fieldOf(pid, /\) (?:\S+ ){23}[1-9]\d* (?:\S+ ){23}(\d+) \1 /) !== '') return ''
    }
  } catch {
    return ''
  }
}

/** They have no environment: PF_KTHREAD of the flags, field 9. */
function isKernelThread(pid: number): boolean {
  return (Number(fieldOf(pid, /\) \S (?:-?\d+ ){5}(\d+)/)) & 0x200000) !== 0
}

function carriesIn(variables: readonly string[], value: string): boolean {
  return variables.some(
    (variable) =>
      variable === `COPPICE_TREE=${value}` ||
      variable === `COPPICE_RUN=${value}` ||
      variable.startsWith(`COPPICE_RUN=${value}/`),
  )
}

/** The processes whose environment has COPPICE_TEST with this value, each with its name. */
export function markedWith(mark: string): Array<{ readonly pid: number; readonly name: string }> {
  if (isWindows) {
    // There it is this process's own environment that it changes by setting a variable.
    return look([]).filter(
      ({ pid, variables }) => pid !== process.pid && variables.includes(`COPPICE_TEST=${mark}`),
    )
  }
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || startTimeOf(pid) === null || !carriesMark(pid, mark)) return []
    const name = nameOf(pid)
    // One that ends between two looks has no name any more.
    return startTimeOf(pid) === null ? [] : [{ pid, name }]
  })
}

function carriesMark(pid: number, mark: string): boolean {
  return environmentOf(pid).includes(`COPPICE_TEST=${mark}\0`)
}

export function nameOf(pid: number): string {
  if (isWindows) return look([pid])[0]?.name ?? ''
  return fieldOf(pid, /\((.*)\) /s)
}

export function parentOf(pid: number): number {
  if (isWindows) return look([pid])[0]?.parent ?? 0
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
  if (!isAlive(pid, startTime)) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It may have died since it was looked at.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
