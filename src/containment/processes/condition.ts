import type { Identity } from '../../identity.js'
import { processTable } from './processes.js'
import { readState } from './stat.js'

/**
 * What has become of a process. `stopped`: it lives and does not run (SIGSTOP, a tracer). `zombie`: it has exited and
 * nobody has waited for it. `reused`: another process has its number. `rebooted`: it was of an earlier boot. `unknown`: of
 * another pid namespace, or hidden from us.
 */
export type Condition = 'alive' | 'stopped' | 'zombie' | 'gone' | 'reused' | 'rebooted' | 'unknown'

export async function conditionOf(identity: Identity): Promise<Condition> {
  const table = await processTable()
  const liveness = await table.isAlive(identity)
  if (liveness === 'unknown') return 'unknown'
  if (liveness === 'alive') return isStopped(identity.pid) ? 'stopped' : 'alive'
  if (identity.bootId !== table.self.bootId) return 'rebooted'
  const found = await table.identify(identity.pid)
  if (found === null) return 'gone'
  return found.startTime === identity.startTime ? 'zombie' : 'reused'
}

/** The process that has this number now, as far as it can be seen; null where none has. */
export async function processNumbered(
  pid: number,
): Promise<{ readonly identity: Identity; readonly condition: Condition } | null> {
  const table = await processTable()
  const identity = await table.identify(pid)
  if (identity !== null) return { identity, condition: await conditionOf(identity) }
  // Where processes are hidden from us, absence is no proof.
  const unseen = { ...table.self, pid, startTime: '' }
  return (await table.isAlive(unseen)) === 'unknown' ? { identity: unseen, condition: 'unknown' } : null
}

/** Dead for good: what it held, nobody holds. */
export function isOver(condition: Condition): boolean {
  return condition !== 'alive' && condition !== 'stopped' && condition !== 'unknown'
}

function isStopped(pid: number): boolean {
  return process.platform === 'linux' && readState(pid)?.toUpperCase() === 'T'
}
