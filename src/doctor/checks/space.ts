import { CoppiceError } from '../../errors.js'
import { formatSize } from '../../sizes.js'
import type { Check, Finding, Place } from '../check.js'
import type { StateFiles } from '../inspection.js'
import { Inspector } from '../inspector.js'

const MB = 1024 * 1024
/** Twice what a supervisor leaves of a WAL that has been brought into the file (`journal_size_limit`). */
const largestWal = 128 * MB
const leastFree = { error: 16 * MB, warning: 256 * MB }
/** Milliseconds that a checkpoint may take. */
const fixBound = 30_000

/** Whether there is room for what will be written. */
export const space: Check = {
  name: 'space',
  title: 'disk and write-ahead log',
  async look(place) {
    const files = await place.inspector.part('files')
    const { freeBytes, walBytes } = files
    const findings: Finding[] = []
    if (freeBytes !== null && freeBytes < leastFree.warning) findings.push(full(files, freeBytes))
    if (walBytes > largestWal) findings.push(longWal(files, place))
    const free = freeBytes === null ? 'free space not known' : `${size(freeBytes)} free`
    return { says: `${free}, write-ahead log ${size(walBytes)}`, findings }
  },
}

function full({ location }: StateFiles, freeBytes: number): Finding {
  return {
    severity: freeBytes < leastFree.error ? 'error' : 'warning',
    found: `the disk of ${location} has ${size(freeBytes)} left`,
    why: 'on a full disk no run can begin, and none can end: its session stays held until there is room',
    mends: 'make room on that disk, or move the state to another one while no supervisor has it open',
    facts: { location, freeBytes },
  }
}

function longWal({ location, walBytes }: StateFiles, { task }: Place): Finding {
  return {
    severity: 'warning',
    found: `the write-ahead log ${location}-wal has grown to ${size(walBytes)}`,
    why: 'somebody reads an old state for very long, or nobody could bring it into the file: every read gets slower, and the disk fills',
    mends: 'coppice doctor --fix; where it grows again, find who keeps the file open',
    facts: { location, walBytes },
    fix: async () => {
      const inspector = new Inspector({ ...task, what: 'checkpoint' }, fixBound)
      const { walBytes: left } = await inspector.part('files').finally(() => inspector.stop())
      if (left > largestWal)
        throw new CoppiceError('store_unavailable', 'somebody reads an old state of it just now')
      return [`brought the write-ahead log into the file: ${size(walBytes)} before, ${size(left)} now`]
    },
  }
}

function size(bytes: number): string {
  return bytes >= MB ? formatSize(Math.floor(bytes / MB) * MB) : formatSize(bytes)
}
