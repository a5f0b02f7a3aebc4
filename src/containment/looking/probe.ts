import type { ContainmentKind } from '../contract.js'
import { openGroup } from '../group/group.js'
import { openGuard } from '../guard/guard.js'
import { openJob } from '../job/job.js'

/** The containment that this machine can have, and why there is none better. */
export interface Probe {
  readonly platform: string
  readonly kind: ContainmentKind
  /** Of the kinds that are better and cannot be had: why. */
  readonly lacking: ReadonlyArray<{ readonly kind: ContainmentKind; readonly why: string }>
}

const names: Partial<Record<NodeJS.Platform, string>> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }

/** Tries what is best here and leaves nothing behind: what others left in their cgroups, and all controllers, stay. */
export async function probeContainment(helper: string | null): Promise<Probe> {
  const platform = names[process.platform] ?? process.platform
  const lacking: Array<{ kind: ContainmentKind; why: string }> = []
  if (process.platform === 'linux' && helper === null)
    lacking.push({ kind: 'guard', why: 'the native helper is not built' })
  if (process.platform === 'linux' && helper !== null) {
    for (const kind of ['cgroup', 'guard'] as const) {
      const why = await opens(openGuard({ helper, cgroups: kind === 'cgroup', looksOnly: true }))
      if (why === null) return { platform, kind, lacking }
      lacking.push({ kind, why })
    }
  }
  if (process.platform === 'win32') {
    const why = helper === null ? 'the native helper is not built' : await opens(openJob({ helper }))
    if (why === null) return { platform, kind: 'job', lacking }
    lacking.push({ kind: 'job', why })
  }
  const why = await opens(openGroup())
  if (why !== null) lacking.push({ kind: 'group', why })
  return { platform, kind: 'group', lacking }
}

/** Null where it does. */
async function opens(opening: ReturnType<typeof openGuard>): Promise<string | null> {
  try {
    await (await opening).close()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
