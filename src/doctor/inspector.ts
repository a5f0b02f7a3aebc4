import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Deferred, deferred } from '../timers.js'
import type { Inspection, PartName, Task } from './inspection.js'

const program = fileURLToPath(new URL('./inspector/main.js', import.meta.url))

/** Milliseconds from the start of the process until it must have begun. */
const startBound = 1_500
/** Milliseconds that it has at least from then on. */
const leastBound = 500

/** Why a part is not known. */
export class NotTold extends Error {
  readonly isHung: boolean

  constructor(isHung: boolean, message: string) {
    super(message)
    this.isHung = isHung
  }
}

/**
 * The inspector at work on one task. A process of its own and no thread: a thread that hangs in a file system keeps its
 * process from exiting (uv_thread_join), and a process is left behind.
 */
export class Inspector {
  readonly #known = new Map<PartName, unknown>()
  readonly #parts = new Map<PartName, Deferred<unknown>>()
  readonly #ended = deferred<void>()
  readonly #kill: () => void
  #reason: NotTold | null = null

  /** `bound`: milliseconds until whatever is not told by then counts as hung. */
  constructor(task: Task, bound: number) {
    const flags = ['--disable-warning=ExperimentalWarning', '--no-warnings']
    const child = spawn(process.execPath, [...flags, program, JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      const { name, value } = JSON.parse(line) as { name: PartName; value: unknown }
      this.#known.set(name, value)
      this.#part(name).resolve(value)
    })
    child.on('error', (error) => this.#end(new NotTold(false, error.message)))
    child.on('close', () => this.#end(new NotTold(false, lastLine(said))))
    const giveUp = () => {
      this.#end(new NotTold(true, `no answer within ${Math.round(performance.now() - since)} ms`))
      this.#kill()
    }
    const since = performance.now()
    let timer = setTimeout(giveUp, Math.max(bound, startBound * task.slowdown))
    // On a busy machine it takes a while to begin: that is no fault of the file system's.
    this.part('begun').then(
      () => {
        clearTimeout(timer)
        timer = setTimeout(giveUp, Math.max(bound - (performance.now() - since), leastBound * task.slowdown))
      },
      () => {},
    )
    this.#kill = () => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      // In a call that nothing interrupts it stays until that returns; nobody waits for it.
      lines.close()
      child.stdout.destroy()
      child.stderr.destroy()
      child.unref()
    }
    this.#ended.promise.then(() => clearTimeout(timer))
  }

  /** Rejects with `NotTold` where it is not told in time, or at all. */
  part<Name extends PartName>(name: Name): Promise<Inspection[Name]> {
    return this.#part(name).promise as Promise<Inspection[Name]>
  }

  /** What has been told of a part so far. */
  known<Name extends PartName>(name: Name): Inspection[Name] | undefined {
    return this.#known.get(name) as Inspection[Name] | undefined
  }

  /** Resolves when it has ended, or is given up. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  stop(): void {
    this.#end(new NotTold(false, 'stopped'))
    this.#kill()
  }

  #part(name: PartName): Deferred<unknown> {
    const known = this.#parts.get(name)
    if (known !== undefined) return known
    const part = deferred<unknown>()
    if (this.#reason !== null) part.reject(this.#reason)
    this.#parts.set(name, part)
    return part
  }

  #end(reason: NotTold): void {
    if (this.#reason !== null) return
    this.#reason = reason
    for (const part of this.#parts.values()) part.reject(reason)
    this.#ended.resolve()
  }
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .findLast((line) => /Error/.test(line))
      ?.trim() ?? 'it ended without a word'
  )
}
