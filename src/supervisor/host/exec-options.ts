import { resolve } from 'node:path'
import type { StdioPlan } from '../../containment/contract.js'
import type { Limits } from '../../containment/limits.js'
import { CoppiceError } from '../../errors.js'
import type { Bounds } from '../../runs/bounds.js'
import type { TreeRequest } from '../tree-request.js'
import { parseCallId } from './append-options.js'
import { type LimitOptions, parseLimits } from './limit-options.js'
import { type BoundOptions, boundNames, parseBounds, refuseUnknown } from './options.js'
import { parseStop, type StopOptions } from './stop-options.js'

/** What nice(1) takes: a tool has a tenth of what its supervisor may have, where there is not enough for both. */
const defaultNice = 10

export interface ExecOptions extends BoundOptions, StopOptions {
  /** Default: the process's own at the moment of the call. */
  readonly cwd?: string
  /** Differences from the process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Text or bytes for its stdin, which then ends. Without it, stdin is empty. */
  readonly input?: string | Uint8Array
  /** Where stdin, stdout and stderr lead; one word for all three. Default `['ignore', 'pipe', 'pipe']`. */
  readonly stdio?: StdioPlan | readonly [StdioPlan, StdioPlan, StdioPlan]
  /**
   * Whether the command owns the process's terminal while it runs: it is in the foreground, gets what is typed and
   * Ctrl-C, and the terminal comes back in its old state. For `stdio: 'inherit'`. Default false.
   */
  readonly terminal?: boolean
  /** How many bytes of stdout, and of stderr, the result keeps: half from the start, half from the end. 10 MiB; 256 MiB at most. */
  readonly output?: { readonly limit?: number }
  /** What the whole tree may take. Default: its run's, which are its supervisor's, which are none. */
  readonly limits?: LimitOptions
  /** How far the tree's processes step back where the processors are busy, as nice(1) counts it: 0 to 19. Default 10. */
  readonly nice?: number
  /**
   * What becomes of processes that live when the root has exited. `stop`, the default: they are ended, and the result
   * comes after that. `until-run-ends`: the result comes at once and lists them, and they live until the run ends.
   */
  readonly linger?: 'stop' | 'until-run-ends'
  /** The id of the model's call that the command is for: what became of it is in the run's ending, where no result is. */
  readonly callId?: string
}

const known = [
  'cwd',
  'env',
  'input',
  'stdio',
  'terminal',
  'output',
  'limits',
  'linger',
  'nice',
  'terminate',
  'stop',
  'callId',
  ...boundNames,
]
const plans: readonly unknown[] = ['pipe', 'inherit', 'ignore']
const defaultLimit = 10 * 1024 * 1024
/** Half of what a string can hold (V8: 2^29 - 24 characters); more is to be read from the stream. */
const mostOutput = 256 * 1024 * 1024

/** What holds for a command that asks for nothing else. */
export interface ExecDefaults {
  readonly bounds: Bounds
  readonly limits: Limits
}

export interface ParsedExec {
  readonly request: TreeRequest
  readonly input: Uint8Array | null
  readonly limit: number
}

/** Checks everything about a command that can be wrong before it is launched. */
export function parseExec(
  identity: { readonly run: string | null; readonly tree: string },
  command: string,
  args: readonly string[],
  options: ExecOptions,
  defaults: ExecDefaults,
): ParsedExec {
  refuseUnknown('exec', options, known)
  const input = typeof options.input === 'string' ? Buffer.from(options.input) : (options.input ?? null)
  const stdio = parseStdio(options.stdio, input !== null)
  return {
    request: {
      ...identity,
      command: parseText('command', command),
      args: parseArguments(args),
      cwd: resolve(options.cwd ?? '.'),
      env: parseEnvironment(options.env ?? {}),
      stdio,
      terminal: options.terminal ?? false,
      bounds: parseBounds(options, defaults.bounds),
      limits: parseLimits(options.limits, defaults.limits),
      nice: parseNice(options.nice),
      stop: parseStop(options, stdio[0]),
      linger: parseLinger(options.linger, identity.run !== null),
      callId: options.callId === undefined ? null : parseCallId('callId', options.callId),
    },
    input,
    limit: parseLimit(options.output),
  }
}

function parseStdio(stdio: ExecOptions['stdio'], hasInput: boolean): [StdioPlan, StdioPlan, StdioPlan] {
  const three: readonly unknown[] =
    typeof stdio === 'string' ? [stdio, stdio, stdio] : (stdio ?? ['ignore', 'pipe', 'pipe'])
  if (three.length !== 3) throw invalid('stdio: there are three, stdin, stdout and stderr')
  const [stdin, stdout, stderr] = three
  for (const plan of [stdin, stdout, stderr]) {
    if (!plans.includes(plan)) throw invalid(`stdio: ${String(plan)} is none of pipe, inherit, ignore`)
  }
  return [hasInput ? 'pipe' : (stdin as StdioPlan), stdout as StdioPlan, stderr as StdioPlan]
}

function parseNice(nice: unknown = defaultNice): number {
  if (typeof nice === 'number' && Number.isInteger(nice) && nice >= 0 && nice <= 19) return nice
  throw invalid(`nice: ${String(nice)} is no whole number from 0 to 19`)
}

function parseLinger(linger: unknown, hasRun: boolean): TreeRequest['linger'] {
  if (linger === undefined || linger === 'stop') return 'stop'
  if (linger !== 'until-run-ends') throw invalid(`linger: ${String(linger)} is none of stop, until-run-ends`)
  if (!hasRun) throw invalid('linger: until-run-ends is for a command of a run, which would end it')
  return 'keep'
}

function parseArguments(args: readonly string[]): readonly string[] {
  if (!Array.isArray(args)) throw invalid('args: must be an array of strings')
  return args.map((argument, index) => parseText(`args[${index}]`, argument))
}

function parseEnvironment(env: Readonly<Record<string, string | undefined>>): typeof env {
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || name.includes('='))
      throw invalid(`env: ${JSON.stringify(name)} is no name of a variable`)
    if (value !== undefined) parseText(`env.${name}`, value)
  }
  return { ...env }
}

/** The kernel ends a string at its first NUL: what follows would be lost without a word. */
function parseText(what: string, text: unknown): string {
  if (typeof text !== 'string') throw invalid(`${what}: ${String(text)} is no string`)
  if (text.includes('\0')) throw invalid(`${what}: holds a NUL character`)
  if (what === 'command' && text === '') throw invalid('command: is empty')
  return text
}

function parseLimit(output: ExecOptions['output']): number {
  refuseUnknown('output', output ?? {}, ['limit'])
  const limit = output?.limit ?? defaultLimit
  if (typeof limit !== 'number' || !(limit >= 0 && limit <= mostOutput)) {
    throw invalid(`output.limit: ${String(limit)} is no number of bytes from 0 to ${mostOutput}`)
  }
  return limit
}

function invalid(message: string): CoppiceError {
  return new CoppiceError('invalid_option', message)
}
