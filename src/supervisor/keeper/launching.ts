import { rm } from 'node:fs/promises'
import type { LaunchRequest } from '../../containment/contract.js'
import type { Bounds } from '../../runs/bounds.js'
import { after } from '../../timers.js'
import type { Launched, TreeRequest } from '../tree-request.js'
import type { Keeper } from './keeper.js'
import { lastWordBeside } from './last-words.js'
import type { SupervisedRun } from './run.js'
import { endTree, SupervisedTree } from './tree.js'
import type { TreePlace } from './tree-places.js'

/** Launches a tree of a run, or one without a run, in the place that it has. Rejects where nothing was started. */
export async function launchTree(
  keeper: Keeper,
  run: SupervisedRun | null,
  request: TreeRequest,
  place: TreePlace,
): Promise<Launched> {
  const { tree: id, command, args, cwd, env, stdio, terminal, bounds, limits, nice, stop, linger } = request
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
    nice,
    stop,
    signal: run === null ? launch.signal : AbortSignal.any([launch.signal, run.killing]),
    ...lastWordOf(keeper, id),
    ...ownerOf(run),
  })
  const leave = () => keeper.treePlaces.leave(place)
  launching.catch(leave)
  const launched = await launching.finally(launch.settled)
  const { hostLoop } = keeper
  hostLoop.counts(bounds.stallTimeout)
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
    call: tree.request.callId,
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
