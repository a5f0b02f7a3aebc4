import { findHelper } from '../containment/built.js'
import { stateDirectory } from '../containment/processes/directories.js'
import { CoppiceError } from '../errors.js'
import { pathOfState } from '../store/location.js'
import { type StateOptions, storeSettings } from '../supervisor/host/state.js'
import { settlesWithin } from '../timers.js'
import { type Check, type Finding, isTrouble, type Place, type Seen } from './check.js'
import { checks, lockFilesCheck } from './checks/all.js'
import type { Task } from './inspection.js'
import { Inspector, NotTold } from './inspector.js'

export interface DoctorOptions extends StateOptions {
  /** A folder of OpenClaw's lock files, which are looked at as well. */
  readonly lockFiles?: string
  /** Whether what is safe to mend is mended. */
  readonly fix?: boolean
}

/** What one check came to. */
export interface Examined extends Seen {
  readonly check: string
  readonly title: string
  readonly tookMs: number
  /** What `--fix` did about it, a sentence each. */
  readonly mended: readonly string[]
}

export interface Diagnosis {
  /** Whether nothing is left that somebody should see to; notes do not count. */
  readonly isHealthy: boolean
  readonly state: string
  readonly checks: readonly Examined[]
}

/** Milliseconds since the process began within which a first answer is whole, whatever hangs: two seconds with what follows. */
const wholeBound = 1_500
const shortestBound = 500
/** Milliseconds for each check of what is no file. */
const checkBound = 2_000
/** Beyond that a machine is of no use, and why is for others to say. */
const mostSlowdown = 10
/** Milliseconds for a look after mending, when nobody waits with a stopwatch. */
const secondBound = 2_000

/**
 * Looks at everything at once, and tells each check as it finishes. With `fix`, mends what is safe and looks again. Without,
 * nothing is changed. Throws `invalid_option` for a state that is none.
 */
export async function examine(
  options: DoctorOptions,
  tell: (examined: Examined) => void,
): Promise<Diagnosis> {
  const { location, runtimeDir } = storeSettings(options)
  const state = pathOfState(location)
  const { lockFiles = null, fix = false, ...place } = options
  const slowdown = slowdownSoFar()
  const task = { location, runtimeDir, ownFolder: stateDirectory(process.env), lockFiles, slowdown }
  if (lockFiles !== null) await refuseMissingFolder(lockFiles, task)
  const left = Math.max(shortestBound, wholeBound - performance.now() / slowdown)
  const first = await lookAround(place, task, left * slowdown, tell)
  if (!fix) return diagnosis(state, first)
  const mended = await mend(first)
  if (mended.size === 0) return diagnosis(state, first)
  const second = await lookAround(place, task, secondBound * slowdown, () => {})
  const after = second.map((examined) => ({ ...examined, mended: mended.get(examined.check) ?? [] }))
  for (const examined of after) if (examined.mended.length > 0) tell(examined)
  return diagnosis(state, after)
}

/**
 * How many times longer than its work this process has taken to begin, from 1 on: on a busy machine everything that it asks
 * takes as much longer, and is not to be called hung for that.
 */
function slowdownSoFar(): number {
  const { user, system } = process.cpuUsage()
  return Math.min(mostSlowdown, Math.max(1, performance.now() / ((user + system) / 1_000)))
}

/** Before anything is looked at, let alone mended: most likely it is a slip of the pen. */
async function refuseMissingFolder(folder: string, task: Omit<Task, 'what'>): Promise<void> {
  const inspector = new Inspector({ ...task, what: 'lockFiles' }, shortestBound * task.slowdown)
  // One that hangs is a finding, of the check itself.
  const found = await inspector.part('lockFiles').catch(() => null)
  inspector.stop()
  const code = found?.trouble?.code
  if (code !== 'ENOENT' && code !== 'ENOTDIR') return
  throw new CoppiceError(
    'invalid_option',
    `--lock-files: ${folder} is no folder: name the one with the *.jsonl.lock files`,
  )
}

function diagnosis(state: string, examined: readonly Examined[]): Diagnosis {
  return { isHealthy: !examined.some(({ findings }) => findings.some(isTrouble)), state, checks: examined }
}

async function lookAround(
  state: StateOptions,
  task: Omit<Task, 'what'>,
  bound: number,
  tell: (examined: Examined) => void,
): Promise<Examined[]> {
  // Before anything else: it takes the longest.
  const inspector = new Inspector({ ...task, what: 'inspect' }, bound)
  const place: Place = { state, task, inspector, helper: await findHelper(), bound }
  const wanted = task.lockFiles === null ? checks : [...checks, lockFilesCheck]
  try {
    return await Promise.all(
      wanted.map(async (check) => {
        const examined = await runCheck(check, place)
        tell(examined)
        return examined
      }),
    )
  } finally {
    inspector.stop()
  }
}

async function runCheck(check: Check, place: Place): Promise<Examined> {
  const began = performance.now()
  const { name, title } = check
  const look = check.look(place).catch((error) => unseen(place, error))
  const hasSeen =
    (await settlesWithin(checkBound * place.task.slowdown, look)) || (await afterInspector(place, look))
  const seen = hasSeen ? await look : hung()
  return { check: name, title, ...seen, tookMs: Math.round(performance.now() - began), mended: [] }
}

/** The inspector has a bound of its own, and says more of what it waited for. */
async function afterInspector({ inspector }: Place, look: Promise<unknown>): Promise<boolean> {
  await inspector.ended
  return settlesWithin(0, look)
}

/** Where the state itself could not be read, that is one finding, of the check of it, and all that needs it is unknown. */
function unseen({ inspector }: Place, error: unknown): Seen {
  const store = inspector.known('store')
  const isOfState = store === undefined || store.trouble !== null
  if (error instanceof NotTold && isOfState)
    return { says: 'not known: the state could not be read', findings: [] }
  return { says: 'not known', findings: [failed(error instanceof Error ? error.message : String(error))] }
}

function hung(): Seen {
  return { says: 'not known', findings: [failed(`it did not answer within ${checkBound} ms`)] }
}

function failed(why: string): Finding {
  return {
    severity: 'error',
    found: `this could not be looked at: ${why}`,
    why: 'what is not known may be out of order',
    mends: 'look at what it names, and run coppice doctor again',
    facts: { why },
  }
}

/** Each fix once, one after the other, in the order of the checks: what ends runs comes before what cleans up after them. */
async function mend(examined: readonly Examined[]): Promise<Map<string, string[]>> {
  const mended = new Map<string, string[]>()
  const done = new Set<unknown>()
  for (const { check, findings } of examined) {
    for (const { fix } of findings) {
      if (fix === undefined || done.has(fix)) continue
      done.add(fix)
      const said = await fix().catch((error: Error) => [`could not be mended: ${error.message}`])
      mended.set(check, [...(mended.get(check) ?? []), ...said])
    }
  }
  return mended
}
