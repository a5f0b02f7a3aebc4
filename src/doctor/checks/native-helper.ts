import { readFile } from 'node:fs/promises'
import { helperVersion } from '../../containment/looking/native-helper.js'
import type { Check } from '../check.js'

/** Whether the native helper was built from this package. */
export const helper: Check = {
  name: 'helper',
  title: 'the native helper',
  async look({ helper: path }) {
    // Where it belongs, its absence is a finding of containment.
    if (path === null) return { says: 'there is none', findings: [] }
    const [built, wanted] = await Promise.all([helperVersion(path), packageVersion()])
    if (built === wanted) return { says: `version ${built}, as the package`, findings: [] }
    return {
      says: `version ${built ?? 'unknown'}, and the package is ${wanted}`,
      findings: [
        {
          severity: 'error',
          found: `the helper ${path} was built from version ${built ?? 'unknown'}, and the package is ${wanted}`,
          why: 'the two speak to each other in a protocol that changes between versions: launches can fail, or trees escape',
          mends: 'npm rebuild coppice',
          facts: { path, built, package: wanted },
        },
      ],
    }
  },
}

async function packageVersion(): Promise<string> {
  return JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')).version
}
