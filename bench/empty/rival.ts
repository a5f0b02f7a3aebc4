import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import treeKill from 'tree-kill'
import { isAlive, killIfAlive, living } from '../../test/support/alive.ts'
import { announced, program } from './zoo.ts'

/** Milliseconds from tree-kill's call until everybody is dead, which it does not wait for itself. */
export async function endByTreeKill(name: string, args: readonly string[] = []): Promise<number> {
  const child = spawn(program(name), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const root = child.pid ?? 0
  const processes = (await announced(createInterface({ input: child.stdout }))).map(living)
  const alive = () => processes.filter(({ pid, startTime }) => isAlive(pid, startTime))
  const from = performance.now()
  try {
    await promisify(treeKill as (pid: number, signal: string, done: () => void) => void)(root, 'SIGKILL')
    while (alive().length > 0 && performance.now() - from < 60_000) await sleep(1)
    if (alive().length > 0) throw new Error(`tree-kill left ${alive().length} of ${name}`)
    return performance.now() - from
  } finally {
    for (const process of alive()) killIfAlive(process)
  }
}
