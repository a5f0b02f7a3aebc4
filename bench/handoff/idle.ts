import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

/** Shares of one processor. */
export interface Idle {
  readonly ours: number
  /** Of a Node at the same time that has a timer of one second and nothing else. */
  readonly node: number
}

/** What this process, with all its threads, takes while it does nothing for so long. */
export async function idleFor(milliseconds: number): Promise<Idle> {
  await using bare = await BareNode.start()
  const first = await bare.cpuMs()
  const theirs = await bare.cpuMs()
  const asking = theirs - first
  const before = process.cpuUsage()
  const from = performance.now()
  await sleep(milliseconds)
  const took = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  return { ours: (user + system) / 1000 / took, node: ((await bare.cpuMs()) - theirs - asking) / took }
}

class BareNode implements AsyncDisposable {
  readonly #child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })

  static async start(): Promise<BareNode> {
    const bare = new BareNode()
    // What a process does in its first moments is none of what is measured.
    await bare.cpuMs()
    await sleep(2000)
    return bare
  }

  /** Milliseconds that it has had so far. */
  async cpuMs(): Promise<number> {
    this.#child.stdin.write('?')
    const [answer] = await once(this.#child.stdout, 'data')
    return Number(answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

const program = `
  setInterval(() => {}, 1000)
  process.stdin.on('data', () => {
    const { user, system } = process.cpuUsage()
    console.log((user + system) / 1000)
  })`
