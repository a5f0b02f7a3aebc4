import { rm } from 'node:fs/promises'
import ms from 'ms'
import { isAlive } from '../../containment/processes/identity.js'
import { isCoppiceError } from '../../errors.js'
import type { EndingRecord } from '../../store/ending-contract.js'
import type { Hold, StoredRun, SupervisorRecord } from '../../store/records.js'
import { delay } from '../../timers.js'
import type { Keeper } from './keeper.js'
import { lastWordBeside, unknownWords } from './last-words.js'
import { tellRefused } from './refused.js'
import { storeEnding } from './store-ending.js'
import { endSubagents } from './subagents.js'
import { lookAtSupervisors } from './supervisors.js'

/**
 * What an owner left that is gone: its runs are claimed, their trees swept, and then ended as `lost`, which frees their
 * sessions. Gone is an owner that is provably dead (same host, same boot, same pid namespace, and no process with its
 * pid and start time), or one that has not renewed its leases for as long as they live: then its guards have ended its
 * trees, and it learns at its next call that it holds nothing any more.
 */

/** Recovers every run whose owner is gone; called at open. */
export async function recoverAll(keeper: Keeper): Promise<void> {
  const supervisors = await keeper.store.supervisors()
  await Promise.allSettled(supervisors.map((supervisor) => recoverOwner(keeper, supervisor)))
}

/** How often one that is silent is looked at: what it would write is no event for anybody. */
const lookEvery = 250

/**
 * As `recoverAll`, and resolves when that is done: first what dead supervisors left, then, for `patience` milliseconds at
 * most, what those hold that do not renew, as their leases come to an end. Resolves to the runs of supervisors that do not
 * answer and hold them still.
 */
export async function recoverWithin(keeper: Keeper, patience: number): Promise<StoredRun[]> {
  const until = performance.now() + patience
  for (;;) {
    await recoverAll(keeper)
    const left = await heldBySilent(keeper)
    if (left.length === 0 || performance.now() >= until) return left
    await delay(lookEvery)
  }
}

async function heldBySilent(keeper: Keeper): Promise<StoredRun[]> {
  const silent = (await lookAtSupervisors(keeper)).filter(
    ({ record, health }) => record.id !== keeper.id && health === null,
  )
  const runs = await Promise.all(
    silent.map(({ record }) => keeper.store.runs({ supervisor: record.id, state: 'live' })),
  )
  return runs.flat().filter(({ state }) => state !== 'waiting')
}

/**
 * Recovers everything that a dead supervisor left: its runs, its row, its socket. Of a silent one only the runs that
 * hold a session: it may wake up and go on with what waits. Resolves to whether it was gone.
 */
export async function recoverOwner(keeper: Keeper, supervisor: SupervisorRecord): Promise<boolean> {
  if (supervisor.id === keeper.id) return false
  const gone = await howGone(keeper, supervisor)
  if (gone === null) return false
  const left = await keeper.store.runs({ supervisor: supervisor.id, state: 'live' })
  const ours = gone === 'dead' ? left : left.filter(({ state }) => state !== 'waiting')
  await Promise.all(ours.map((run) => recoverIfGone(keeper, run)))
  if (gone !== 'dead') return true
  await keeper.store.unregister(supervisor.id, Date.now())
  // What it was to tell is anybody's now.
  keeper.teller?.look()
  if (supervisor.socket !== null) await rm(supervisor.socket, { force: true })
  return true
}

/**
 * Resolves to true once the run is recovered, by us or by somebody else; to false where its owner may live. `onGone` hears
 * before that that it does not.
 */
export async function recoverIfGone(
  keeper: Keeper,
  run: StoredRun,
  onGone: () => void = () => {},
): Promise<boolean> {
  const gone = await howGone(keeper, run.supervisor)
  if (gone === null) return false
  onGone()
  const { identity, ttl } = run.supervisor
  const why = gone === 'dead' ? 'was gone' : `did not renew its leases for ${ms(ttl)}`
  await once(keeper, run, async () => {
    const hold = await keeper.store.takeOverIfUnchanged(run, keeper.id, Date.now())
    // A run that waited has no tree and no lock: the claim itself has ended it.
    if (hold === null) return
    if (run.state === 'waiting') {
      keeper.news.recovered(run, { state: 'lost', cause: 'lost' }, { killed: 0, proof: null })
      keeper.teller?.look()
      return
    }
    await endForSure(keeper, run, hold, `its supervisor, pid ${identity.pid}, ${why}`)
  })
  return true
}

/** Takes a run from its supervisor, however alive, and ends it. At an operator's word. */
export async function recoverByForce(keeper: Keeper, run: StoredRun): Promise<void> {
  const { identity, socket } = run.supervisor
  await once(keeper, run, async () => {
    const hold = await keeper.store.takeOverByForce(run.id, keeper.id, Date.now())
    if (hold === null) return
    if (socket !== null) keeper.tellNews(socket, run.id)
    await endForSure(keeper, run, hold, `taken from its supervisor, pid ${identity.pid}, by force`)
  })
}

async function once(keeper: Keeper, { id }: StoredRun, recover: () => Promise<void>): Promise<void> {
  const recovery = keeper.recoveries.get(id) ?? recover()
  keeper.recoveries.set(id, recovery)
  try {
    await recovery
  } catch (error) {
    // Taken from us in turn, while we ended its trees: it is whoever's who took it, and there to be looked at again.
    if (!isCoppiceError(error, 'run_lost')) throw error
  } finally {
    keeper.recoveries.delete(id)
  }
}

/** Null where the supervisor may live. */
async function howGone(keeper: Keeper, supervisor: SupervisorRecord): Promise<'dead' | 'silent' | null> {
  const { id, host, identity, ttl } = supervisor
  if (id === keeper.id) return null
  if (keeper.isBuried(id) || (host === keeper.host && (await isAlive(identity)) === 'dead')) return 'dead'
  return keeper.heartbeats.silenceOf(supervisor) >= ttl ? 'silent' : null
}

/**
 * The run is ours from the claim on, and its owner lives: nobody else would ever end it. So what goes wrong on the way to its
 * end is tried again.
 */
async function endForSure(keeper: Keeper, run: StoredRun, hold: Hold, why: string): Promise<void> {
  keeper.news.claimed(run, why)
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
    try {
      return await endClaimed(keeper, run, hold, why)
    } catch (error) {
      if (isCoppiceError(error, 'run_lost') || isCoppiceError(error, 'supervisor_closed')) throw error
      keeper.log.error({ run: run.id, err: error }, 'could not end a run that was taken over; trying again')
    }
    await delay(pause)
  }
}

/** The run is ours: its trees are ended, and then the run. */
async function endClaimed(keeper: Keeper, run: StoredRun, hold: Hold, why: string): Promise<void> {
  const { bounds } = keeper
  const trees = await keeper.store.trees(run.id)
  const left = trees.filter(({ end }) => end === null)
  const { socket } = run.supervisor
  const lastWords = left.flatMap(({ tree, containment }) =>
    socket === null || containment === 'group' ? [] : [lastWordBeside(socket, tree)],
  )
  const subagents = endSubagents(keeper, run.id, bounds)
  const report = await keeper.containment.sweep({
    run: run.id,
    roots: left.map(({ root }) => root),
    lastWords,
    grace: run.stop?.grace ?? bounds.grace,
    killBound: bounds.killBound,
  })
  await subagents
  const unrecorded = socket === null ? [] : await unknownWords(socket, run.id, lastWords)
  const known = trees.length + unrecorded.length
  const ending: EndingRecord = {
    cause: 'lost',
    message: why,
    forced: report.killed > 0 || unrecorded.some(({ word }) => word.killed > 0),
    callback: 'left_behind',
    trees: known,
    tree: known === 0 ? null : { proof: report.proof, survivors: report.survivors },
    error: null,
    begun: null,
    through: [],
    telling: keeper.teller?.telling ?? null,
    at: Date.now(),
  }
  const { outcome, admitted, refused } = await storeEnding(keeper, hold, ending, () =>
    endSubagents(keeper, run.id, bounds),
  )
  // A recovery that a locked store has undone reads them again.
  const words = [...lastWords, ...unrecorded.map(({ path }) => path)]
  await Promise.all(words.map((path) => rm(path, { force: true })))
  keeper.wakeSocket?.ended(run.id)
  keeper.news.recovered(run, outcome, { killed: report.killed, proof: ending.tree?.proof ?? null })
  tellRefused(keeper, refused)
  if (admitted !== null) keeper.onAdmitted(admitted)
}
