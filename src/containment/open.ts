import { CoppiceError } from '../errors.js'
import { findHelper } from './built.js'
import type { Containment, ContainmentKind } from './contract.js'
import { openGroup } from './group/group.js'
import { cgroupVariable } from './guard/cgroup-directory.js'
import { openGuard } from './guard/guard.js'
import { openJob } from './job/job.js'

export interface OpenOptions {
  /** Finds the native helper. */
  readonly find?: () => Promise<string | null>
  /** The thread that the host's event loop runs on, by its kernel's number: it is to have the processor soon. */
  readonly hostThread?: number | null
}

/**
 * The best containment that works here, or the one that is insisted on: then it rejects with `launch_failed` where
 * that cannot be had. `warn` hears, once, what is used instead of a better one and how to get that.
 */
export async function openContainment(
  wanted: ContainmentKind | null,
  warn: (why: string) => void,
  { find = findHelper, hostThread = null }: OpenOptions = {},
): Promise<Containment> {
  if (wanted === 'group') return openGroup()
  const isForWindows = wanted === 'job'
  if (wanted !== null && isForWindows !== (process.platform === 'win32'))
    throw unavailable(wanted, isForWindows ? 'it is for Windows' : 'it is for Linux')
  try {
    return await openBest(wanted, warn, { find, hostThread })
  } catch (error) {
    if (wanted !== null) throw unavailable(wanted, messageOf(error), error)
    warn(`trees are contained by group, which a program can escape: ${messageOf(error)}`)
    return openGroup()
  }
}

async function openBest(
  wanted: ContainmentKind | null,
  warn: (why: string) => void,
  { find, hostThread }: Required<OpenOptions>,
): Promise<Containment> {
  if (process.platform !== 'linux' && process.platform !== 'win32')
    throw new Error(`there is none better on ${process.platform}`)
  const helper = await find()
  if (helper === null)
    throw new Error('the native helper is not built: install a C compiler and run npm install')
  if (process.platform === 'win32') return openJob({ helper })
  if (wanted === 'guard') return openGuard({ helper, hostThread })
  try {
    return await openGuard({ helper, hostThread, cgroups: true })
  } catch (error) {
    if (wanted === 'cgroup') throw error
    // To be without is ordinary; to be without what somebody gave us is not.
    if (process.env[cgroupVariable]) warn(`trees have no cgroups: ${messageOf(error)}`)
    return openGuard({ helper, hostThread })
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
