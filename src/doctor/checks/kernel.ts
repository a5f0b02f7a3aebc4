import type { KernelFeature } from '../../containment/looking/kernel-features.js'
import { missingFromKernel } from '../../containment/looking/native-helper.js'
import { type Check, counted, type Severity } from '../check.js'

const severities: Record<KernelFeature['weight'], Severity> = {
  needed: 'error',
  safer: 'warning',
  faster: 'note',
}

/** What the kernel refuses of what guards want of it: it is asked, since versions say little. */
export const kernel: Check = {
  name: 'kernel',
  title: 'what the kernel can do',
  async look({ helper }) {
    if (helper === null) return { says: 'not asked: there is no native helper', findings: [] }
    const missing = await missingFromKernel(helper)
    return {
      says:
        missing.length === 0 ? 'all that guards want of it' : `without ${counted(missing.length, 'feature')}`,
      findings: missing.map(({ name, since, weight, without }) => ({
        severity: severities[weight],
        found: `the kernel refuses ${name} (${since})`,
        why: without,
        mends: 'a newer kernel, or a seccomp profile (of a container, say) that permits it',
        facts: { feature: name, since },
      })),
    }
  },
}
