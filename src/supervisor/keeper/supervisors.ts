import { isAlive, isStopped } from '../../containment/processes/identity.js'
import type { SupervisorRecord } from '../../store/records.js'
import type { SeenSupervisor } from '../health.js'
import { healthOf } from './health.js'
import type { Keeper } from './keeper.js'
import { askHealth } from './wake.js'

/** Milliseconds that a supervisor has to say how it is: its keeper's thread has nothing that takes longer. */
const answerBound = 600

export async function lookAtSupervisors(keeper: Keeper): Promise<SeenSupervisor[]> {
  return Promise.all((await keeper.store.supervisors()).map((record) => lookAt(keeper, record)))
}

export async function lookAt(keeper: Keeper, record: SupervisorRecord): Promise<SeenSupervisor> {
  const [state, health] = await Promise.all([
    conditionOf(keeper, record),
    record.id === keeper.id ? healthOf(keeper) : askIfHere(keeper, record),
  ])
  return { record, ...state, health }
}

/** Whether its process lives, and is stopped: without a word to it. */
export async function conditionOf(
  keeper: Keeper,
  { host, identity, id }: SupervisorRecord,
): Promise<Pick<SeenSupervisor, 'alive' | 'stopped'>> {
  if (host !== keeper.host) return { alive: 'unknown', stopped: false }
  // Its keeper is gone, though its process lives.
  if (keeper.isBuried(id)) return { alive: 'dead', stopped: false }
  const [alive, stopped] = await Promise.all([isAlive(identity), isStopped(identity)])
  return { alive, stopped }
}

async function askIfHere(keeper: Keeper, { host, socket }: SupervisorRecord) {
  return host === keeper.host && socket !== null ? askHealth(socket, answerBound) : null
}
