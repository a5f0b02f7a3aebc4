import { findCgroupBase } from '../guard/cgroup-directory.js'
import { deadCgroups, endDeadCgroups, isPopulated } from '../guard/cgroup-remains.js'
import { processTable } from '../processes/processes.js'

/** Milliseconds that what lives in them has to be gone. */
const bound = 5_000

export interface LeftCgroup {
  readonly path: string
  /** Whether anything lives in it. */
  readonly isInhabited: boolean
}

/** The cgroups of dead supervisors; null where no cgroups can be made here. */
export async function leftCgroups(): Promise<LeftCgroup[] | null> {
  const base = baseIfAny()
  if (base === null) return null
  return (await deadCgroups(base, await processTable())).map((path) => ({
    path,
    isInhabited: isPopulated(path),
  }))
}

/** Ends what lives in them where no guard is at it, and removes them. */
export async function endLeftCgroups(): Promise<void> {
  const base = baseIfAny()
  if (base !== null) await endDeadCgroups(base, await processTable(), bound)
}

function baseIfAny(): string | null {
  try {
    return findCgroupBase().directory
  } catch {
    return null
  }
}
