import { performance } from 'node:perf_hooks'
import type { Run } from 'coppice'
import { carriers, isAlive, living } from '../../test/support/alive.ts'
import { announced, program } from './zoo.ts'

export interface Ended {
  /** Milliseconds from the kill to the result, which says that the tree is empty. */
  readonly ms: number
  /** How many processes had to be killed. */
  readonly killed: number
}

/** Kills a program of the zoo when it is ready, and looks whether nobody is left. */
export async function endByCoppice(run: Run, name: string, args: readonly string[] = []): Promise<Ended> {
  const handle = run.exec(program(name), args)
  const processes = (await announced(readAside(handle))).map(living)
  const from = performance.now()
  const { tree } = await handle.cancel({ grace: 0 })
  const ms = performance.now() - from
  const left = processes.filter(({ pid, startTime }) => isAlive(pid, startTime))
  if (tree.proof !== 'empty' || left.length > 0 || carriers(handle.id).length > 0) {
    throw new Error(`${name}: ${left.length} are left, and the proof says ${tree.proof}`)
  }
  return { ms, killed: tree.killed }
}

/** Lines that are still read, by nobody, when the one who asked has seen enough: else the tool would wait. */
async function* readAside(lines: AsyncIterable<string>): AsyncGenerator<string> {
  const all = lines[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await all.next()
    if (done) return
    yield value
  }
}
