/**
 * Which process is meant. A pid alone is reused; with its start time it is unique until the next boot, with the
 * boot id for ever, and within one pid namespace. A bare pid is never signalled and never trusted.
 */
export interface Identity {
  readonly pid: number
  /**
   * As the system tells it: clock ticks since boot on Linux (proc(5), field 22), the moment of creation on Windows, in units
   * of 100 ns since 1601, `lstart` of ps elsewhere.
   */
  readonly startTime: string
  /** /proc/sys/kernel/random/boot_id; the boot time where there is none. Empty on Windows, whose start times outlast a boot. */
  readonly bootId: string
  /** The pid namespace's inode (`pid:[4026531836]`); empty where the system has none. */
  readonly pidNamespace: string
}
