import type { Identity } from '../../identity.js'
import { processTable } from './processes.js'
import type { Liveness } from './table.js'
import { usageOf } from './usage.js'

/** Whether exactly this process lives: what a take-over may rest on is `dead`, never `unknown`. */
export async function isAlive(identity: Identity): Promise<Liveness> {
  return (await processTable()).isAlive(identity)
}

/** Signals the process if it still is the one that is meant. False where it was not sent. */
export async function signal(identity: Identity, signal: NodeJS.Signals): Promise<boolean> {
  return (await processTable()).signal(identity, signal)
}

/** Whether the process lives and is stopped, as by SIGSTOP: nothing of it moves. */
export async function isStopped(identity: Identity): Promise<boolean> {
  if ((await isAlive(identity)) !== 'alive') return false
  return (await usageOf([identity]))[0]?.state === 'stopped'
}
