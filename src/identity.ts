/**
 * Which process is meant. A pid alone is reused; with its start time it is unique until the next boot, with the
 * boot id for ever, and within one pid namespace. A bare pid is never signalled and never trusted.
 */
export interface Identity {
  readonly pid: number
  /** As the kernel counts it: clock ticks since boot on Linux (proc(5), field 22), `lstart` of ps elsewhere. */
  readonly startTime: string
  /** /proc/sys/kernel/random/boot_id; the boot time where there is none. */
  readonly bootId: string
  /** The pid namespace's inode (`pid:[4026531836]`); empty where the system has none. */
  readonly pidNamespace: string
}

export function sameProcess(a: Identity, b: Identity): boolean {
  return (
    a.pid === b.pid &&
    a.startTime === b.startTime &&
    a.bootId === b.bootId &&
    a.pidNamespace === b.pidNamespace
  )
}
