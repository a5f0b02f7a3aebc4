import { randomUUID } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Containment, LaunchRequest, Tree, TreeReport } from '#src/containment/contract.js'
import { noLimits } from '#src/containment/limits.js'
import { openInput, openOutput } from '#src/containment/pipes.js'
import { plainStop } from '#src/containment/stop-plan.js'
import { carriersOf, killIfAlive } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { Lines } from '../support/lines.ts'

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
}

export interface Unread {
  readonly tree: Tree
  readonly stdin: Writable | null
  readonly stdout: Readable | null
}

export interface Launched extends Unread {
  readonly out: Lines
}

function streamsOf(tree: Tree): Pick<Unread, 'stdin' | 'stdout'> {
  if (tree.pipes === null) return { stdin: tree.stdin, stdout: tree.stdout }
  const [stdin, stdout] = tree.pipes
  const opened = {
    stdin: stdin && openInput(stdin).on('error', () => {}),
    stdout: stdout && openOutput(stdout),
  }
  tree.opened()
  return opened
}

/** The launches of one test, under a run of their own by which what they left can be found. */
export class Launching {
  readonly run = `test-${randomUUID()}`
  /** Other runs that the test uses, which may leave nothing either. */
  readonly otherRuns: string[] = []
  readonly containment: Containment
  readonly #trees: Tree[] = []
  #launches = 0

  constructor(containment: Containment) {
    this.containment = containment
  }

  async launch(
    command: string,
    args: readonly string[] = [],
    more: Partial<LaunchRequest> = {},
  ): Promise<Launched> {
    const launched = await this.launchUnread(command, args, more)
    return { ...launched, out: new Lines(launched.stdout) }
  }

  /** As `launch`, and nobody reads its output so far. */
  async launchUnread(
    command: string,
    args: readonly string[] = [],
    more: Partial<LaunchRequest> = {},
  ): Promise<Unread> {
    const tree = await this.containment.launch({
      tree: `${this.run}-${this.#launches++}`,
      run: this.run,
      command,
      args,
      stdio: ['ignore', 'pipe', 'ignore'],
      linger: 'keep',
      bounds: { timeout: Number.POSITIVE_INFINITY, grace: 5_000, killBound: 10_000 },
      limits: noLimits,
      stop: plainStop,
      ...more,
    })
    this.#trees.push(tree)
    return { tree, ...streamsOf(tree) }
  }

  /** Launches a program of test/fixtures. */
  launchFixture(
    name: string,
    args: readonly string[] = [],
    more: Partial<LaunchRequest> = {},
  ): Promise<Launched> {
    return this.launch(fixture(name), args, more)
  }

  /** Fails where something of this test still lives, and ends that. */
  async assertNothingLives(): Promise<void> {
    const names = [this.run, ...this.otherRuns, ...this.#trees.map(({ id }) => id)]
    const left = () => carriersOf(names)
    try {
      await eventually(() => left().length === 0, { within: 10_000 })
    } catch {
      const found = left()
      found.forEach(killIfAlive)
      throw new Error(`the test left processes alive: ${found.map(({ pid }) => pid)}`)
    } finally {
      for (const tree of this.#trees) tree.abandon()
    }
  }
}

/** The report of a tree that lives. A guard that is late to answer is told of by what was known before. */
export async function survivorsIn(tree: Tree): Promise<TreeReport> {
  const living = await eventually(async () => {
    const report = await tree.report()
    return report.proof === 'survivors' ? report : null
  })
  return living as TreeReport
}
