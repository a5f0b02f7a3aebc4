import { endLeftCgroups, leftCgroups } from '../../containment/looking/left-cgroups.js'
import { type Check, counted } from '../check.js'

/** Cgroups of supervisors that are dead. */
export const cgroups: Check = {
  name: 'cgroups',
  title: 'cgroups that are left over',
  async look() {
    const left = await leftCgroups()
    if (left === null) return { says: 'none can be made here', findings: [] }
    const fix = async () => {
      await endLeftCgroups()
      return [`removed the cgroups of ${counted(left.length, 'supervisor')}, with what lived in them`]
    }
    return {
      says: `${left.length} left over`,
      findings: left.map(({ path, isInhabited }) => ({
        severity: isInhabited ? 'warning' : 'note',
        found: `the cgroup ${path} is left of a supervisor that is gone${isInhabited ? ', and something lives in it' : ''}`,
        why: isInhabited
          ? 'what lives in it has outlived its run, unless its guard is about to end it'
          : 'it is empty, and costs the kernel a little memory',
        mends: 'coppice doctor --fix, or the next supervisor that opens here',
        facts: { path, inhabited: isInhabited },
        fix,
      })),
    }
  },
}
