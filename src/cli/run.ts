import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { ContainmentKind } from '../containment/contract.js'
import { runVariable } from '../containment/processes/cookie.js'
import { onPoliteSignal, politeSignals } from '../containment/signals.js'
import { type CoppiceError, isCoppiceError } from '../errors.js'
import type { Outcome } from '../runs/outcome.js'
import { isTerminal } from '../runs/states.js'
import type { ExecResult } from '../supervisor/host/exec-result.js'
import type { LimitOptions } from '../supervisor/host/limit-options.js'
import type { Run, RunHandle } from '../supervisor/host/run-faces.js'
import { openSupervisor, type Supervisor } from '../supervisor/host/supervisor.js'
import type { SupervisorOptions } from '../supervisor/host/supervisor-options.js'
import { settlesWithin } from '../timers.js'
import { exitCodeOf } from './exit-codes.js'
import { heedSignalsAsFirstProcess } from './first-process.js'
import { tellProgress } from './progress.js'
import { checkReport, writeReport } from './report.js'
import { stateOption } from './state.js'

export interface RunOptions {
  readonly session?: string
  readonly timeout?: number
  readonly stallTimeout?: number
  readonly grace?: number
  readonly wait?: number
  readonly containment?: ContainmentKind
  readonly memory?: number
  readonly pids?: number
  readonly cpus?: number
  readonly report?: string
  readonly state?: string
  readonly logLevel: NonNullable<SupervisorOptions['logLevel']>
}

/** `coppice run`: one tree in one run, stdio passed through. */
export async function run(command: readonly string[], options: RunOptions): Promise<void> {
  const { session, grace, wait, report, logLevel, containment } = options
  const leaveSignals = heedSignalsAsFirstProcess()
  if (report !== undefined) await checkReport(report)
  const supervisor = await openSupervisor({
    ...stateOption(options),
    logLevel,
    ...(containment === undefined ? {} : { containment }),
  })
  let typed: NodeJS.Signals | null = null
  try {
    const tool = new Tool(command, options.stallTimeout !== undefined)
    const parent = await parentRun(supervisor)
    const handle = supervisor.start(
      {
        timeout: options.timeout ?? Number.POSITIVE_INFINITY,
        stallTimeout: options.stallTimeout ?? Number.POSITIVE_INFINITY,
        ...(session === undefined ? {} : { session }),
        ...(parent === null ? {} : { parent }),
        ...(grace === undefined ? {} : { grace }),
        ...(wait === undefined ? {} : { wait }),
        limits: limitsOf(options),
      },
      (run) => tool.run(run),
    )
    leaveSignals()
    const signals = cancelOnSignal(handle)
    const progress = tellProgress(supervisor, handle)
    const outcome = await outcomeOf(handle).finally(() => progress.stop())
    signals.stop()
    const said = await handle.result.then(
      () => null,
      (error: unknown) => error,
    )
    if (report !== undefined) await writeReport(report, { outcome, exec: tool.result })
    const line = lineAbout(outcome, tool, said)
    if (line !== null) process.stderr.write(`coppice: ${line}\n`)
    process.exitCode = exitCodeOf(outcome, tool.result, tool.launchError, signals.first())
    typed = hasTerminal ? signalTyped(tool.result) : null
  } finally {
    await supervisor.close()
  }
  // To our group, as the terminal would have sent it, were the tool's group not in the foreground: a shell's loop around
  // this command stops, as it would around the tool. Launcher and guards have it blocked.
  if (typed !== null) process.kill(0, typed)
}

/**
 * The run in whose tree this command was started, by its cookie: the innermost one, where it is in the same store. One
 * that has ended, or is another store's, is no parent; one that stops is, and its admission says that it starts none.
 */
async function parentRun(supervisor: Supervisor): Promise<string | null> {
  const innermost = process.env[runVariable]?.split('/').at(-1)
  if (!innermost) return null
  const run = await supervisor.show(innermost)
  return run !== null && !isTerminal(run.state) ? innermost : null
}

/** Rejects with `store_unavailable` where the ending could not be stored in its time: nobody waits for it for ever. */
function outcomeOf(handle: RunHandle<void>): Promise<Outcome> {
  return handle.result.then(
    () => handle.outcome,
    (error: unknown) => {
      if (isCoppiceError(error, 'store_unavailable')) throw error
      return handle.outcome
    },
  )
}

/** The signal of a key, where the tool that owned the terminal died of one. */
function signalTyped(result: ExecResult | null): NodeJS.Signals | null {
  const signal = result?.ended === 'exited' ? result.exit.signal : null
  return signal === 'SIGINT' || signal === 'SIGQUIT' ? signal : null
}

const hasTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY

function limitsOf({ memory, pids, cpus }: RunOptions): LimitOptions {
  return {
    ...(memory === undefined ? {} : { memory }),
    ...(pids === undefined ? {} : { pids }),
    ...(cpus === undefined ? {} : { cpus }),
  }
}

/** The command that the run runs, and what became of it also where its run ended under it. */
class Tool {
  result: ExecResult | null = null
  launchError: CoppiceError | null = null
  readonly #command: readonly string[]
  readonly #passes: boolean

  /** `passes`: its output passes through here, where it can be seen. */
  constructor(command: readonly string[], passes: boolean) {
    this.#command = command
    this.#passes = passes
  }

  /** Whether its exit code says all there is to say. */
  endedItself({ state }: Outcome): boolean {
    return state === 'failed' && this.result?.ended === 'exited'
  }

  async run(run: Run): Promise<void> {
    const [command = '', ...args] = this.#command
    try {
      this.result = await this.#exec(run, command, args)
    } catch (error) {
      if (isCoppiceError(error)) {
        this.result = (error.exec as ExecResult | undefined) ?? null
        this.launchError = error
      }
      throw error
    }
    await heardOfSignal(run, this.result)
    // A run whose command failed has failed: its outcome must not read `succeeded`.
    this.result.orThrow()
  }

  async #exec(run: Run, command: string, args: readonly string[]): Promise<ExecResult> {
    if (!this.#passes) return run.exec(command, args, { stdio: 'inherit', terminal: hasTerminal, nice: 0 })
    const stdio = ['inherit', 'pipe', 'pipe'] as const
    const tool = run.exec(command, args, { stdio, terminal: hasTerminal, nice: 0, output: { limit: 0 } })
    const unread = () => void tool.cancel('nobody reads its output').catch(() => {})
    const passing = [passOn(tool.stdout, process.stdout, unread), passOn(tool.stderr, process.stderr, unread)]
    const result = await tool
    await Promise.all(passing)
    return result
  }
}

/**
 * Who ends a tree from outside, as a run does whose tool this command is, sends the tool and this process the same signal,
 * and that of the tool can be heard of first. It is a cancellation then, and no failure.
 */
async function heardOfSignal({ signal }: Run, result: ExecResult): Promise<void> {
  const { exit } = result
  if (result.ended !== 'exited' || exit.signal === null || !politeSignals.includes(exit.signal)) return
  if (!signal.aborted) await settlesWithin(sameSignal, once(signal, 'abort'))
}

/** Milliseconds between two deliveries of one sender's, on a machine that has much to do. */
const sameSignal = 100

/** Not further than its reader is: one that is slow makes the tool wait. One that is gone cannot give it SIGPIPE from here. */
async function passOn(from: Readable, to: NodeJS.WriteStream, unread: () => void): Promise<void> {
  to.on('error', unread)
  for await (const chunk of from) {
    if (!to.destroyed && !to.write(chunk)) await once(to, 'drain').catch(() => {})
  }
}

/** The first signal cancels and the second skips the grace. SIGHUP too: nobody reads the output any more. */
function cancelOnSignal(handle: RunHandle<void>): { first(): NodeJS.Signals | null; stop(): void } {
  let first: NodeJS.Signals | null = null
  const stop = onPoliteSignal(
    (signal) => {
      first = signal
      void handle.cancel(signal).catch(() => {})
    },
    () => void handle.cancel({ grace: 0 }).catch(() => {}),
  )
  return { first: () => first, stop }
}

/** What a person is told beside the exit code; nothing where the command ended by itself. */
function lineAbout(outcome: Outcome, tool: Tool, error: unknown): string | null {
  if (outcome.state === 'succeeded' || tool.endedItself(outcome)) return null
  const survivors = outcome.tree?.survivors ?? []
  const left = survivors.map(({ pid, name }) => `${pid} (${name})`).join(', ')
  const message = error instanceof Error ? error.message : `run ${outcome.run} ended as ${outcome.state}`
  return survivors.length === 0 ? message : `${message}; these processes could not be killed: ${left}`
}
