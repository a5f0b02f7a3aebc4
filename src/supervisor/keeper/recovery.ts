import { rm } from 'node:fs/promises'
import { isAlive } from '../../containment/processes/identity.js'
import type { StoredRun, SupervisorRecord } from '../../store/contract.js'
import type { Keeper } from './keeper.js'
import { storeEnding } from './store-ending.js'
import { lastWordBeside } from './wake.js'

/**
 * What a dead owner left: its runs are claimed, their trees swept, and then ended as `lost`, which frees their
 * sessions. Only an owner that is provably gone is dead here: same host, same boot, same pid namespace, and no
 * process with its pid and start time.
 */

/** Recovers every run whose owner is dead; called at open. */
export async function recoverAll(keeper: Keeper): Promise<void> {
  const supervisors = await keeper.store.supervisors()
  await Promise.allSettled(supervisors.map((supervisor) => recoverOwner(keeper, supervisor)))
}

/** Recovers everything that a dead supervisor left: its runs, its row, its socket. */
export async function recoverOwner(keeper: Keeper, supervisor: SupervisorRecord): Promise<void> {
  if (supervisor.id === keeper.id || !(await isDead(keeper, supervisor))) return
  const left = await keeper.store.runs({ supervisor: supervisor.id, state: 'live' })
  await Promise.all(left.map((run) => recoverIfDead(keeper, run)))
  await keeper.store.unregister(supervisor.id, Date.now())
  if (supervisor.socket !== null) await rm(supervisor.socket, { force: true })
}

/** Resolves to true once the run is recovered, by us or by somebody else; to false where its owner may live. */
export async function recoverIfDead(keeper: Keeper, run: StoredRun): Promise<boolean> {
  if (!(await isDead(keeper, run.supervisor))) return false
  const recovery = keeper.recoveries.get(run.id) ?? recover(keeper, run)
  keeper.recoveries.set(run.id, recovery)
  await recovery.finally(() => keeper.recoveries.delete(run.id))
  return true
}

async function isDead(keeper: Keeper, { id, host, identity }: SupervisorRecord): Promise<boolean> {
  return keeper.isBuried(id) || (host === keeper.host && (await isAlive(identity)) === 'dead')
}

async function recover(keeper: Keeper, run: StoredRun): Promise<void> {
  const at = Date.now()
  const hold = await keeper.store.takeOverIfUnchanged(run, keeper.id, at)
  // A run that waited has no tree and no lock: the claim itself has ended it.
  if (hold === null || run.state === 'waiting') return
  const { bounds } = keeper
  const trees = await keeper.store.trees(run.id)
  const left = trees.filter(({ end }) => end === null)
  const { socket } = run.supervisor
  const lastWords = left.flatMap(({ tree, containment }) =>
    socket === null || containment === 'group' ? [] : [lastWordBeside(socket, tree)],
  )
  const report = await keeper.containment.sweep({
    run: run.id,
    roots: left.map(({ root }) => root),
    lastWords,
    grace: bounds.grace,
    killBound: bounds.killBound,
  })
  const { outcome, admitted } = await storeEnding(keeper, hold, {
    cause: 'lost',
    message: `its supervisor, pid ${run.supervisor.identity.pid}, was gone`,
    forced: report.killed > 0,
    callback: 'left_behind',
    trees: trees.length,
    tree: trees.length === 0 ? null : { proof: report.proof, survivors: report.survivors },
    error: null,
    at: Date.now(),
  })
  // A recovery that a locked store has undone reads them again.
  await Promise.all(lastWords.map((path) => rm(path, { force: true })))
  keeper.wakeSocket?.ended(run.id)
  keeper.log.warn(
    { run: run.id, session: run.session, state: outcome.state, killed: report.killed },
    'recovered a run',
  )
  if (admitted !== null) keeper.onAdmitted(admitted)
}
