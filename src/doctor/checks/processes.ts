import { seesEveryProcess } from '../../containment/looking/visibility.js'
import type { Check } from '../check.js'

/** Whether other users' processes can be seen. */
export const processes: Check = {
  name: 'processes',
  title: 'which processes can be seen',
  async look() {
    if (await seesEveryProcess()) return { says: 'all of them', findings: [] }
    return {
      says: 'those of this user',
      findings: [
        {
          severity: 'warning',
          found: '/proc hides other users’ processes (hidepid)',
          why: 'a supervisor of another user cannot be told dead from hidden: its runs are recovered only when their leases are over',
          mends:
            'run all supervisors of a state as one user, or mount /proc with gid= of a group that they are in',
          facts: {},
        },
      ],
    }
  },
}
