import type { ContainmentKind } from '../../containment/contract.js'
import { type Probe, probeContainment } from '../../containment/looking/probe.js'
import type { Check, Finding } from '../check.js'

/** What a kind of containment cannot promise; the README has the whole table. */
const limits: Record<ContainmentKind, string> = {
  cgroup:
    'cannot end work that was handed to another service, setuid programs, and what hangs in a call of the system',
  guard:
    'cannot end work that was handed to another service, setuid programs, and what hangs in a call of the system; has no limit of processors',
  job: 'cannot end work that was handed to another service',
  group:
    'a program escapes that leaves its process group, loses its parent and scrubs its environment; it proves no tree empty, and limits are refused',
}

/** The best containment that works here, tried and not guessed. */
export const containment: Check = {
  name: 'containment',
  title: 'what holds a tree together here',
  async look({ helper }) {
    const probe = await probeContainment(helper)
    return { says: `${probe.kind} on ${probe.platform}: ${limits[probe.kind]}`, findings: findingsOf(probe) }
  },
}

function findingsOf({ kind, platform, lacking }: Probe): Finding[] {
  return lacking.map(({ kind: better, why }) => {
    // To be without cgroups is ordinary: it takes a service manager, or root.
    const isOrdinary = better === 'cgroup'
    return {
      severity: isOrdinary ? 'note' : 'warning',
      found: `containment ${better} cannot be had: ${why}`,
      why: isOrdinary
        ? `trees are held by ${kind}: memory and processes are limited by looking ten times a second, and --cpus is refused`
        : `trees are contained by ${kind}, which a program can escape`,
      mends: isOrdinary
        ? 'run the gateway as a systemd service with Delegate=yes, or name a cgroup that is its to divide in COPPICE_CGROUP'
        : 'install a C compiler and run npm rebuild coppice; where the helper is there, see what it says it lacks',
      facts: { platform, kind, better, why },
    }
  })
}
