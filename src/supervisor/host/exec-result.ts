import type { Exit, TreeReport, Usage } from '../../containment/contract.js'
import { describeExceeded, type Limits } from '../../containment/limits.js'
import type { OutputStream, TreeEnding, TreeResult } from '../tree-request.js'
import type { Output } from './output.js'

/** What became of a command, for every exit, zero or not. */
export interface ExecResult {
  /** Whether it exited by itself, with 0. */
  readonly ok: boolean
  /** What the operating system reported of the root process. */
  readonly exit: Exit
  readonly ended: TreeEnding
  /** Whether it had to be killed. */
  readonly forced: boolean
  readonly stdout: string
  readonly stderr: string
  /** Bytes of output that were left out of `stdout` and `stderr`. */
  readonly truncated: number
  readonly tree: Omit<TreeReport, 'usage'>
  readonly usage: Usage | null
  readonly durationMs: number
  /** Returns this where `ok`, else throws an error that says what the command did. */
  orThrow(): ExecResult
}

/** The result of a tree that has ended and whose output is read. `limits` are those that its error tells of. */
export async function toExecResult(
  { report, ...result }: TreeResult,
  outputs: Record<OutputStream, Output>,
  limits: Limits,
): Promise<ExecResult> {
  const { usage, ...tree } = report
  const { exit, ended, forced, durationMs } = result
  const told: ExecResult = {
    ok: ended === 'exited' && exit.code === 0,
    exit,
    ended,
    forced,
    stdout: await outputs[1].text(),
    stderr: await outputs[2].text(),
    truncated: outputs[1].truncated + outputs[2].truncated,
    tree,
    usage,
    durationMs,
    orThrow: () => {
      if (told.ok) return told
      const said = lastLines(told.stderr)
      throw new Error(`the command ${howItEnded(told, limits)}${said === '' ? '' : `: ${said}`}`)
    },
  }
  // Data of the result, so that it prints and compares as data.
  Object.defineProperty(told, 'orThrow', { enumerable: false })
  return told
}

function howItEnded({ exit, ended, tree }: ExecResult, limits: Limits): string {
  if (tree.exceeded !== null) return `was ended: it ${describeExceeded(tree.exceeded, limits)}`
  return `ended ${exit.signal === null ? `with code ${exit.code}` : `by ${exit.signal}`} (${ended})`
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-3).join('\n')
}
