import type { LiveSubagent, RunDoing, RunningCommand } from '../doing.js'
import type { Keeper } from './keeper.js'
import type { SupervisedRun } from './run.js'
import { askDoing } from './wake.js'

/** Milliseconds that a host has to say what its run is at; one that turns says it in one. */
const hostBound = 300
/** The same for another keeper, which asks its host. */
const keeperBound = 700

/** What a run is doing, of whichever supervisor of this machine; null where nobody says it. */
export async function doingAnywhere(keeper: Keeper, id: string): Promise<RunDoing | null> {
  if (keeper.runs.has(id)) return doingOf(keeper, id)
  const stored = await keeper.store.run(id)
  const { socket, host } = stored?.supervisor ?? { socket: null, host: null }
  return stored === null || stored.outcome !== null || socket === null || host !== keeper.host
    ? null
    : askDoing(socket, id, keeperBound)
}

/** What a run of ours is doing; null where there is none of that id. */
export async function doingOf(keeper: Keeper, id: string): Promise<RunDoing | null> {
  const run = keeper.runs.get(id)
  if (run === undefined) return null
  const still = await keeper.stillness.ask(id, hostBound)
  const { timeLeft, ending } = run.clock
  return {
    run: id,
    state: run.progress.state,
    hostBlockedMs: Math.round(keeper.hostLoop.blockedFor),
    idleMs: still && Math.round(still.milliseconds),
    doing: still?.doing ?? null,
    label: run.label,
    waitsForPlace: run.hold !== null && !run.hasBegun,
    commands: commandsOf(run),
    subagents: subagentsOf(keeper, id),
    timeLeftMs: timeLeft && Math.round(timeLeft),
    stopping:
      ending === null || run.stop === null
        ? null
        : {
            cause: run.stop.cause,
            message: run.stop.message,
            graceLeftMs: Math.round(ending.grace),
            boundLeftMs: Math.round(ending.bound),
          },
  }
}

function commandsOf(run: SupervisedRun): RunningCommand[] {
  return [...run.liveTrees].map((tree) => ({
    tree: tree.request.tree,
    command: [tree.request.command, ...tree.request.args],
    pid: tree.tree.root.pid,
    runningMs: Math.round(tree.ageMs),
  }))
}

function subagentsOf(keeper: Keeper, parent: string): LiveSubagent[] {
  return [...keeper.runs.values()]
    .filter(({ request }) => request.parent === parent)
    .map(({ id, request, progress }) => ({ run: id, session: request.session, state: progress.state }))
}
