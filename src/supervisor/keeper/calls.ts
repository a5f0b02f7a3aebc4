import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Outcome } from '../../runs/outcome.js'
import type { Stop } from '../../store/records.js'
import type { Calls, CancelRequest } from '../calls.js'
import { admit } from './admission.js'
import { endOurs, passOn } from './admitted.js'
import { close } from './closing.js'
import { disown } from './disowning.js'
import { doingAnywhere } from './doing.js'
import { endRun } from './ending.js'
import { follow, toldFacts } from './following.js'
import { lookAtHealth } from './health.js'
import type { Keeper } from './keeper.js'
import { launchTree } from './launching.js'
import { processesOf } from './processes-of.js'
import { recoverByForce, recoverOwner, recoverWithin } from './recovery.js'
import { prune } from './retention.js'
import { SupervisedRun } from './run.js'
import { outcomeOfOthers } from './run-of-others.js'
import { lookAtSupervisors } from './supervisors.js'
import { neverLaunched, waitForPlace } from './waiting-launch.js'
import { why } from './why.js'

type Handlers = {
  [Name in keyof Calls]: (keeper: Keeper, ask: Calls[Name]['ask']) => Promise<Calls[Name]['answer']>
}

/** What the keeper does for each question of the host. */
export const handlers: Handlers = {
  async admit(keeper, request) {
    const parent = request.parent === null ? undefined : keeper.runs.get(request.parent)
    // In a drain what runs may start what it needs, and nothing else begins.
    if (keeper.isClosing || (keeper.time !== null && parent === undefined))
      throw new CoppiceError('supervisor_closed', 'the supervisor is closing')
    parent?.admitsSubagents()
    const run = new SupervisedRun(request)
    keeper.runs.set(run.id, run)
    try {
      const followed = await admit(keeper, run)
      if (followed !== null) return follow(keeper, run, followed)
      return { fence: await run.admitted.promise, request: toldFacts(run) }
    } catch (error) {
      keeper.forget(run)
      if (!run.isStored && isCoppiceError(error, 'store_unavailable')) void disown(keeper, run.id)
      // Where the store could not take it, whoever cancels it meanwhile must not wait for that.
      run.markStored()
      throw error
    }
  },

  async append(keeper, { run: id, ...entry }) {
    const run = runOf(keeper, id)
    const index = run.entries++
    return held(keeper, run, keeper.store.append(run.held(), { ...entry, index, at: Date.now() }))
  },

  async messages(keeper, { run: id, ...ask }) {
    const run = runOf(keeper, id)
    return held(keeper, run, keeper.store.messages(run.held(), ask))
  },

  async pending(keeper, filter) {
    // What a dead supervisor had is pending when its runs are ended, trees and all.
    await keeper.recovered
    return keeper.store.pending(filter)
  },

  async tellEndings(keeper) {
    await keeper.teller?.start()
    return undefined
  },

  prune: (keeper, keep) => prune(keeper, keep),

  async draft(keeper, { run: id, body }) {
    const run = runOf(keeper, id)
    await held(keeper, run, keeper.store.draft(run.held(), body))
  },

  async waits(keeper, { run: id, waits }) {
    const run = runOf(keeper, id)
    await held(keeper, run, keeper.store.waits(run.held(), waits))
  },

  async check(keeper, { run: id }) {
    const run = runOf(keeper, id)
    if (run.progress.state !== 'running') throw run.error()
    await held(keeper, run, keeper.store.check(run.held()))
  },

  async launch(keeper, request) {
    const run = request.run === null ? null : runOf(keeper, request.run)
    if (keeper.isClosing) throw new CoppiceError('supervisor_closed', 'the supervisor is closing')
    run?.admitsTrees()
    const place = keeper.treePlaces.takeNow(run) ?? (await waitForPlace(keeper, run, request))
    if (place === null) return { neverLaunched: neverLaunched(keeper) }
    const launch = launchTree(keeper, run, request, place)
    return run === null ? launch : run.launching(launch)
  },

  cancel,

  find: (keeper, filter) => keeper.store.runs(filter),
  look: (keeper, { run }) => keeper.store.run(run),
  trees: (keeper, { run }) => keeper.store.trees(run),
  sessions: (keeper) => keeper.store.sessions(),
  breaker: (keeper, { session }) => keeper.store.breaker(session),
  closeBreaker: (keeper, { session }) => keeper.store.closeBreaker(session),
  transcript: (keeper, { session, range }) => keeper.store.transcript(session, range),

  health: lookAtHealth,
  supervisors: lookAtSupervisors,
  doing: (keeper, { run }) => doingAnywhere(keeper, run),
  why: (keeper, { session }) => why(keeper, session),
  processes: (keeper, { runs }) => processesOf(keeper, runs),
  async marks(keeper, { run }) {
    const [entries, subagents] = await Promise.all([
      keeper.store.entryMarks(run),
      keeper.store.subagents(run),
    ])
    return { entries, subagents }
  },
  recover: (keeper, { patience }) => recoverWithin(keeper, patience),

  async bury(keeper, { supervisor, trees }) {
    const { grace, killBound } = keeper.bounds
    await Promise.all(
      trees.map((run) => keeper.containment.sweep({ run, roots: [], lastWords: [], grace, killBound })),
    )
    if (supervisor !== null) await buryOwner(keeper, supervisor)
    return undefined
  },

  async close(keeper, { drain, within }) {
    await close(keeper, drain, within)
    return undefined
  },
}

/** The refusal of a write is how a run hears first that it has been taken over. */
async function held<T>(keeper: Keeper, run: SupervisedRun, write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    if (isCoppiceError(error, 'run_lost') || isCoppiceError(error, 'run_ended'))
      void endRun(keeper, run, { cause: 'lost', message: error.message, grace: null })
    throw error
  }
}

async function buryOwner(keeper: Keeper, supervisor: string): Promise<void> {
  keeper.bury(supervisor)
  const dead = (await keeper.store.supervisors()).find(({ id }) => id === supervisor)
  if (dead !== undefined) await recoverOwner(keeper, dead)
}

function runOf(keeper: Keeper, id: string): SupervisedRun {
  const run = keeper.runs.get(id)
  if (run === undefined) throw new CoppiceError('run_ended', `run ${id} has ended`, { run: id })
  return run
}

async function cancel(keeper: Keeper, { target, message, grace, force }: CancelRequest): Promise<Outcome> {
  const stop: Stop = { cause: 'cancelled', message, grace }
  const id = 'run' in target ? target.run : await holderOf(keeper, target.session)
  const ours = keeper.runs.get(id)
  const end = ours === undefined ? null : await endOurs(keeper, ours, stop)
  if (end !== null) return end
  const theirs = await keeper.store.requestCancel(id, stop, Date.now())
  if (theirs.outcome !== null && theirs.fence === null) void passOn(keeper, theirs.session)
  if (force && theirs.outcome === null) await recoverByForce(keeper, theirs)
  return outcomeOfOthers(keeper, theirs)
}

async function holderOf(keeper: Keeper, session: string): Promise<string> {
  const holder = await keeper.store.holder(session)
  if (holder === null)
    throw new CoppiceError('run_ended', `session ${session} is free: no run to cancel`, { session })
  return holder.id
}
