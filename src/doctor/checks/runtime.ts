import { type Check, counted } from '../check.js'
import { Inspector } from '../inspector.js'

/** Milliseconds. */
const fixBound = 5_000

/** Sockets and last words of supervisors that crashed. */
export const runtime: Check = {
  name: 'runtime',
  title: 'runtime files that are left over',
  async look({ inspector, task }) {
    const { path, left } = await inspector.part('runtime')
    if (left.length === 0) return { says: `nothing in ${path}`, findings: [] }
    return {
      says: `${counted(left.length, 'file')} in ${path}`,
      findings: [
        {
          severity: 'warning',
          found: `${counted(left.length, 'file')} in ${path} are left of supervisors that crashed`,
          why: 'nobody listens on those sockets, and nobody will read those words; they only gather',
          mends: 'coppice doctor --fix, or the next supervisor that opens here',
          facts: { path, files: left },
          fix: async () => {
            const fixing = new Inspector({ ...task, what: 'clean' }, fixBound)
            const removed = await fixing.part('runtime').finally(() => fixing.stop())
            return [`removed ${counted(removed.left.length, 'file')} from ${path}`]
          },
        },
      ],
    }
  },
}
