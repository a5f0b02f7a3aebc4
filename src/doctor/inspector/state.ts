import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { markedProcesses } from '../../containment/looking/strays.js'
import {
  type Condition,
  conditionOf,
  isOver,
  processNumbered,
} from '../../containment/processes/condition.js'
import { readStat } from '../../containment/processes/stat.js'
import { inspectStore, integrityOf, nothing } from '../../store/inspect.js'
import type { StoreInspection } from '../../store/inspection.js'
import type { SupervisorRecord } from '../../store/records.js'
import { lockHolders } from '../../store/sqlite/lock-holders.js'
import { askHealth } from '../../supervisor/keeper/wake.js'
import type { Owner, StateFiles, Task, Tell, Writer } from '../inspection.js'
import { inspectFiles } from './files.js'
import { findRemains } from './remains.js'
import { troubleOf } from './trouble.js'

/** Milliseconds that a supervisor has to say that it is there. */
const answerBound = 800
/** A writer that is at work lets go between two of these looks, sooner or later. */
const looks = { count: 8, every: 50 }

/** What is quick first; what reads the whole file last. */
export async function inspectState(task: Task, tell: Tell): Promise<void> {
  const files = await inspectFiles(task)
  tell('files', files)
  const marked = await markedProcesses()
  const store = await inspectStoreIfThere(files, [...new Set(marked.flatMap(({ path }) => path.split('/')))])
  if ('trouble' in store) {
    const { pending, exhausted, untold, breakers } = nothing
    tell('store', { trouble: store.trouble, schema: 0, runs: 0, breakers, pending, exhausted, untold })
    tell('writers', await findWriters(files.location))
    return
  }
  const { schema, breakers, live, supervisors, pending, exhausted, untold } = store
  tell('store', { trouble: null, schema, runs: live.length, breakers, pending, exhausted, untold })
  const conditions = new Map<string, Condition>()
  await Promise.all(
    supervisors.map(async (record) => conditions.set(record.id, await conditionOfOwner(record))),
  )
  tell('remains', await findRemains(store, marked, (id) => isOver(conditions.get(id) ?? 'unknown')))
  const bound = answerBound * task.slowdown
  const [owners, writers] = await Promise.all([
    Promise.all(
      supervisors.map((record) => ownerOf(record, conditions.get(record.id) ?? 'unknown', live, bound)),
    ),
    findWriters(files.location),
  ])
  tell('owners', owners)
  const well = owners.filter(({ verdict }) => verdict === 'well').map(({ record }) => record.identity.pid)
  tell(
    'writers',
    writers.map((writer) => ({ ...writer, isWell: well.includes(writer.pid) })),
  )
  if (files.exists) await inspectIntegrity(files, tell)
  else tell('integrity', { trouble: null, problems: [] })
}

async function inspectStoreIfThere(files: StateFiles, runs: readonly string[]) {
  // The first open of a state makes an empty file, and what it was to become is written by the next one.
  if (!files.exists || files.files[0]?.bytes === 0) return nothing
  return inspectStore(files.location, runs).catch((error: unknown) => ({ trouble: troubleOf(error) }))
}

async function inspectIntegrity({ location, files }: StateFiles, tell: Tell): Promise<void> {
  try {
    tell('integrity', { trouble: null, problems: files[0]?.bytes === 0 ? [] : await integrityOf(location) })
  } catch (error) {
    tell('integrity', { trouble: troubleOf(error), problems: [] })
  }
}

/** On another machine nobody can see it. */
async function conditionOfOwner({ host, identity }: SupervisorRecord): Promise<Condition> {
  return host === hostname() ? conditionOf(identity) : 'unknown'
}

async function ownerOf(
  record: SupervisorRecord,
  condition: Condition,
  live: StoreInspection['live'],
  bound: number,
): Promise<Owner> {
  const runs = live.map(({ run }) => run).filter(({ supervisor }) => supervisor.id === record.id)
  return { record, condition, verdict: await verdictOn(record, condition, bound), runs }
}

async function verdictOn(
  { host, socket, renewedAt, ttl }: SupervisorRecord,
  condition: Condition,
  bound: number,
): Promise<Owner['verdict']> {
  if (isOver(condition)) return 'dead'
  if (condition === 'stopped') return 'silent'
  if (host === hostname() && socket !== null && (await askHealth(socket, bound)) !== null) return 'well'
  // One that cannot be asked says with its renewals that it is there.
  const canBeAsked = condition === 'alive' && socket !== null
  return canBeAsked || renewedAt + ttl < Date.now() ? 'silent' : 'well'
}

/** Whoever holds the lock for writing each time that it is looked at. */
async function findWriters(location: string): Promise<Writer[]> {
  let holders = await lockHolders(location)
  for (let look = 1; look < looks.count && holders.length > 0; look++) {
    await delay(looks.every)
    const now = await lockHolders(location)
    holders = holders.filter((pid) => now.includes(pid))
  }
  return Promise.all(
    holders.map(async (pid) => ({
      pid,
      name: readStat(pid)?.name ?? '',
      condition: (await processNumbered(pid))?.condition ?? 'gone',
      isWell: false,
    })),
  )
}
