import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Passed, Passing } from './host.ts'

/** Milliseconds. */
const apartMs = 5

/** From when a process gave the session up until another had it, in milliseconds. */
export interface Round {
  /** Until any of those that waited had it. */
  readonly toAny: readonly number[]
  /** Until that one had it that had waited longest. */
  readonly toNext: readonly number[]
  /** How many processors all of them together took. */
  readonly processors: number
}

/** Several processes that pass one session round among themselves. */
export class Processes implements AsyncDisposable {
  readonly #children: ChildProcess[]
  readonly #lines: AsyncIterator<string>[]

  static async start(count: number, folder: string): Promise<Processes> {
    const file = join(folder, 'session')
    await writeFile(file, '')
    const host = fileURLToPath(new URL('host.ts', import.meta.url))
    const children = []
    const lines = []
    // Few at a time: the machine would be busy with starting them all, and none would say so in time.
    for (let at = 0; at < count; at += 4) {
      const some = Array.from({ length: Math.min(4, count - at) }, () =>
        spawn(process.execPath, [host, join(folder, 'coppice.db'), file], {
          stdio: ['pipe', 'pipe', 'inherit'],
        }),
      )
      const theirs = some.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]())
      await Promise.all(theirs.map((iterator) => iterator.next()))
      children.push(...some)
      lines.push(...theirs)
    }
    return new Processes(children, lines)
  }

  private constructor(children: ChildProcess[], lines: AsyncIterator<string>[]) {
    this.#children = children
    this.#lines = lines
  }

  async passRound(passing: Passing, ms: number): Promise<Round> {
    const from = performance.now()
    this.#tell((at) => ({ ...passing, afterMs: at * apartMs }))
    await sleep(ms)
    const until = Number(process.hrtime.bigint()) / 1e6
    this.#tell(() => ({ how: 'stop' }))
    const answers = await Promise.all(this.#lines.map((lines) => lines.next()))
    const passed = answers.map(({ value }) => JSON.parse(value) as Passed)
    const cpuMs = passed.reduce((sum, one) => sum + one.cpuMs, 0)
    const turns = passed.flatMap((one) => one.turns.map(([asked, enter, leave]) => ({ asked, enter, leave })))
    turns.sort((a, b) => a.enter - b.enter)
    const toAny: number[] = []
    const toNext: number[] = []
    for (const [at, { leave }] of turns.entries()) {
      const waiting = turns.slice(at + 1).filter(({ asked }) => asked < leave)
      const next = waiting.toSorted((a, b) => a.asked - b.asked)[0]
      // Those that had not got it when the round was over would make the end of it look slow.
      if (next === undefined || leave > until) continue
      toAny.push((waiting[0]?.enter ?? Number.NaN) - leave)
      toNext.push(next.enter - leave)
    }
    return { toAny, toNext, processors: cpuMs / (performance.now() - from) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stdin } of this.#children) stdin?.end()
    await Promise.all(this.#children.map((child) => child.exitCode ?? once(child, 'exit')))
  }

  #tell(order: (at: number) => Order): void {
    for (const [at, { stdin }] of this.#children.entries()) stdin?.write(`${JSON.stringify(order(at))}\n`)
  }
}
