import { CoppiceError } from '../errors.js'
import type { Containment, ContainmentKind } from './contract.js'
import { openGroup } from './group/group.js'
import { findHelper } from './guard/built.js'
import { cgroupVariable } from './guard/cgroup-directory.js'
import { openGuard } from './guard/guard.js'

/**
 * The best containment that works here, or the one that is insisted on: then it rejects with `launch_failed` where
 * that cannot be had. `warn` hears, once, what is used instead of a better one and how to get that.
 */
export async function openContainment(
  wanted: ContainmentKind | null,
  warn: (why: string) => void,
  helper: () => Promise<string | null> = findHelper,
): Promise<Containment> {
  if (wanted === 'group') return openGroup()
  if (wanted === 'job') throw unavailable(wanted, 'it is for Windows')
  try {
    return await openBest(wanted, helper, warn)
  } catch (error) {
    if (wanted !== null) throw unavailable(wanted, messageOf(error), error)
    warn(`trees are contained by group, which a program can escape: ${messageOf(error)}`)
    return openGroup()
  }
}

async function openBest(
  wanted: ContainmentKind | null,
  find: () => Promise<string | null>,
  warn: (why: string) => void,
): Promise<Containment> {
  if (process.platform !== 'linux') throw new Error(`there is none better on ${process.platform}`)
  const helper = await find()
  if (helper === null)
    throw new Error('the native helper is not built: install a C compiler and run npm install')
  if (wanted === 'guard') return openGuard({ helper })
  try {
    return await openGuard({ helper, cgroups: true })
  } catch (error) {
    if (wanted === 'cgroup') throw error
    // To be without is ordinary; to be without what somebody gave us is not.
    if (process.env[cgroupVariable]) warn(`trees have no cgroups: ${messageOf(error)}`)
    return openGuard({ helper })
  }
}

function unavailable(kind: ContainmentKind, why: string, cause?: unknown): CoppiceError {
  return new CoppiceError('launch_failed', `containment ${kind} cannot be had here: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
