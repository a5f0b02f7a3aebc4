import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Turn } from './host.ts'

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

  /** How long the session was nobody's between two turns, in milliseconds, while all the others waited for it. */
  async passRound(order: Order, ms: number): Promise<number[]> {
    this.#tell(order)
    await sleep(ms)
    const until = Number(process.hrtime.bigint()) / 1e6
    this.#tell({ how: 'stop' })
    const answers = await Promise.all(this.#lines.map((lines) => lines.next()))
    const turns = answers.flatMap(({ value }, owner) =>
      (JSON.parse(value) as Turn[]).map(([enter, leave]) => ({ enter, leave, owner })),
    )
    turns.sort((a, b) => a.enter - b.enter)
    return turns.flatMap(({ enter, owner }, at) => {
      const before = turns[at - 1]
      // A process that comes again to a session that nobody had meanwhile has handed nothing to anybody.
      return before === undefined || before.owner === owner || enter > until ? [] : [enter - before.leave]
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stdin } of this.#children) stdin?.end()
    await Promise.all(this.#children.map((child) => child.exitCode ?? once(child, 'exit')))
  }

  #tell(order: Order): void {
    for (const { stdin } of this.#children) stdin?.write(`${JSON.stringify(order)}\n`)
  }
}
