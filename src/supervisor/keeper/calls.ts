import { rm } from 'node:fs/promises'
import type { LaunchRequest } from '../../containment/contract.js'
import { CoppiceError, isCoppiceError } from '../../errors.js'
import type { Bounds } from '../../runs/bounds.js'
import type { Outcome } from '../../runs/outcome.js'
import type { Stop } from '../../store/contract.js'
import { after } from '../../timers.js'
import type { Calls, CancelRequest, Launched, TreeRequest } from '../messages.js'
import { admit } from './admission.js'
import { endOurs } from './admitted.js'
import { close } from './closing.js'
import { endRun } from './ending.js'
import { healthOf } from './health.js'
import type { Keeper } from './keeper.js'
import { lastWordBeside } from './last-words.js'
import { recoverByForce, recoverOwner } from './recovery.js'
import { SupervisedRun } from './run.js'
import { outcomeOfOthers } from './run-of-others.js'
import { lookAtSupervisors } from './supervisors.js'
import { endTree, SupervisedTree } from './tree.js'
import type { TreePlace } from './tree-places.js'
import { neverLaunched, waitForPlace } from './waiting-launch.js'

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
      return { fence: await admit(keeper, run) }
    } catch (error) {
      keeper.forget(run)
      // Where the store could not take it, whoever cancels it meanwhile must not wait for that.
      run.markStored()
      throw error
    }
  },

  async append(keeper, { run: id, body }) {
    const run = runOf(keeper, id)
    const index = run.entries++
    return held(keeper, run, keeper.store.append(run.held(), { index, body, at: Date.now() }))
  },

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

  cancel: cancel,

  find: (keeper, filter) => keeper.store.runs(filter),
  look: (keeper, { run }) => keeper.store.run(run),
  trees: (keeper, { run }) => keeper.store.trees(run),
  sessions: (keeper) => keeper.store.sessions(),
  breaker: (keeper, { session }) => keeper.store.breaker(session),
  closeBreaker: (keeper, { session }) => keeper.store.closeBreaker(session),
  transcript: (keeper, { session, range }) => keeper.store.transcript(session, range),

  health: async (keeper) => healthOf(keeper),
  supervisors: lookAtSupervisors,

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

async function launchTree(
  keeper: Keeper,
  run: SupervisedRun | null,
  request: TreeRequest,
  place: TreePlace,
): Promise<Launched> {
  const { tree: id, command, args, cwd, env, stdio, terminal, bounds, limits, stop, linger } = request
  const launch = cancellable(keeper, request)
  const launching = keeper.containment.launch({
    tree: id,
    run: request.run ?? id,
    command,
    args,
    cwd,
    env,
    stdio,
    terminal,
    linger,
    bounds,
    limits,
    stop,
    signal: run === null ? launch.signal : AbortSignal.any([launch.signal, run.killing]),
    ...lastWordOf(keeper, id),
    ...ownerOf(run),
  })
  const leave = () => keeper.treePlaces.leave(place)
  launching.catch(leave)
  const launched = await launching.finally(launch.settled)
  const { hostLoop } = keeper
  const tree = new SupervisedTree(launched, request, keeper.send, (last) => hostLoop.blockedWithin(last))
  keeper.trees.set(id, tree)
  // Before the exit of one that was killed for it is heard: the first reason stays.
  const cancelled = launch.cancelled()
  if (cancelled !== null) void endTree(tree, 'cancelled', cancelled)
  tree.done.then(() => keeper.trees.delete(id)).then(leave)
  tree.lingering.then(() => keeper.treePlaces.lingers(place))
  if (run !== null) record(keeper, run, tree)
  return { pid: launched.root.pid, pipes: launched.pipes }
}

/** A launch under way, and how the tree is cancelled meanwhile: it is left its grace, and then is killed. */
function cancellable(keeper: Keeper, { tree, bounds }: TreeRequest) {
  const killing = new AbortController()
  const disarms: Array<() => void> = []
  let cancelled: Bounds | null = null
  keeper.launches.set(tree, (grace) => {
    const asked = grace === null ? bounds : { ...bounds, grace }
    cancelled ??= asked
    disarms.push(after(asked.grace, () => killing.abort()))
  })
  return {
    signal: killing.signal,
    /** The bounds of whoever cancelled it; null where nobody did. */
    cancelled: (): Bounds | null => cancelled,
    settled(): void {
      keeper.launches.delete(tree)
      for (const disarm of disarms) disarm()
    },
  }
}

/** Its session, whose trees are limited together. */
function ownerOf(run: SupervisedRun | null): Pick<LaunchRequest, 'owner' | 'ownerLimits'> {
  if (run === null || !run.request.session) return {}
  const { session, sessionBudget } = run.request
  return { owner: session, ownerLimits: sessionBudget.limits }
}

/** Beside the supervisor's socket, which whoever takes its runs over knows from the store. */
function lastWordOf(keeper: Keeper, tree: string): { lastWord?: string } {
  const { wakeSocket } = keeper
  return wakeSocket === null ? {} : { lastWord: lastWordBeside(wakeSocket.path, tree) }
}

async function forgetWord(keeper: Keeper, tree: string): Promise<void> {
  const { lastWord } = lastWordOf(keeper, tree)
  if (lastWord !== undefined) await rm(lastWord, { force: true })
}

/**
 * The tree is found by its cookie until it is recorded, so nobody waits for the record. The store keeps the order of
 * a run's writes: what is asked for here comes before the run's ending.
 */
function record(keeper: Keeper, run: SupervisedRun, tree: SupervisedTree): void {
  run.keep(tree)
  keeper.news.treeLaunched(run, tree)
  const { tree: id, command, args } = tree.request
  const { containment, root } = tree.tree
  const warn = (error: unknown) =>
    keeper.log.warn({ run: run.id, tree: id, err: error }, 'could not record a tree')
  const hold = run.held()
  const launched = {
    tree: id,
    command: JSON.stringify([command, ...args]),
    containment,
    root,
    at: Date.now(),
  }
  keeper.store.treeLaunched(hold, launched).catch(warn)
  tree.result.then((result) => {
    keeper.news.treeEnded(run, tree, result)
    const { exit, ended, report } = result
    const { proof, survivors } = report
    const end = { tree: id, code: exit.code, signal: exit.signal, ended, proof, survivors, at: Date.now() }
    const recorded = keeper.store.treeEnded(hold, end)
    // A guard whose lease ran out has left word, for whoever takes over; nobody has.
    if (ended === 'lost') recorded.then(() => forgetWord(keeper, id)).catch(() => {})
    recorded.catch(warn)
  })
}

async function cancel(keeper: Keeper, { target, message, grace, force }: CancelRequest): Promise<Outcome> {
  const stop: Stop = { cause: 'cancelled', message, grace }
  const id = 'run' in target ? target.run : await holderOf(keeper, target.session)
  const ours = keeper.runs.get(id)
  const end = ours === undefined ? null : await endOurs(keeper, ours, stop)
  if (end !== null) return end
  const theirs = await keeper.store.requestCancel(id, stop, Date.now())
  if (force && theirs.outcome === null) await recoverByForce(keeper, theirs)
  return outcomeOfOthers(keeper, theirs)
}

async function holderOf(keeper: Keeper, session: string): Promise<string> {
  const holder = await keeper.store.holder(session)
  if (holder === null)
    throw new CoppiceError('run_ended', `session ${session} is free: no run to cancel`, { session })
  return holder.id
}
