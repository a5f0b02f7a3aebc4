import { isAlive } from '../../containment/processes/identity.js'
import type { SupervisorRecord } from '../../store/contract.js'
import type { SeenSupervisor } from '../messages.js'
import type { Keeper } from './keeper.js'
import { askHealth } from './wake.js'

/** Milliseconds that a supervisor has to say how it is: its keeper's thread has nothing that takes longer. */
const answerBound = 1000

export async function lookAtSupervisors(keeper: Keeper): Promise<SeenSupervisor[]> {
  return Promise.all((await keeper.store.supervisors()).map((record) => lookAt(keeper, record)))
}

async function lookAt(keeper: Keeper, record: SupervisorRecord): Promise<SeenSupervisor> {
  const isHere = record.host === keeper.host
  const [alive, health] = await Promise.all([
    isHere ? isAlive(record.identity) : ('unknown' as const),
    isHere && record.socket !== null ? askHealth(record.socket, answerBound) : null,
  ])
  return { record, alive, health }
}
