import { access, constants, open } from 'node:fs/promises'
import { basename, delimiter, extname, resolve } from 'node:path'
import { whichCommand } from 'which-command'
import type { LaunchRequest } from '../contract.js'
import { launchError, somethingIsThere } from '../launch-error.js'

/** What CreateProcess can start: a program's own file and its arguments. */
export interface CommandLine {
  readonly program: string
  readonly args: readonly string[]
  /** The arguments are parts of a command line already, and are not quoted again. */
  readonly verbatim: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Finds the command as Windows' shells do: by PATH and PATHEXT of its environment, a batch file through cmd.exe, and a
 * script through the interpreter of its first line. Rejects with `command_not_found` or `command_not_executable`.
 */
export async function commandLineOf(request: LaunchRequest): Promise<CommandLine> {
  const { command, args } = request
  const found = await find(request, command)
  if (found === null) throw await notRunnable(request)
  if (isProgram(found)) return { program: found, args, verbatim: false }
  if (isBatch(found) && (await isReadable(found))) return throughShell(request, found)
  const interpreter = await interpreterOf(found)
  const program = interpreter === null ? null : await find(request, interpreter)
  if (program === null || !isProgram(program)) throw await notRunnable(request)
  return { program, args: [found, ...args], verbatim: false }
}

async function find({ cwd, env }: LaunchRequest, command: string): Promise<string | null> {
  const environment = { ...process.env, ...env }
  const directory = cwd ?? process.cwd()
  const pathExt = variable(environment, 'PATHEXT') || '.COM;.EXE;.BAT;.CMD'
  // A name that has an extension is tried as it is, too: scripts have their own.
  const extensions = extname(command) === '' ? pathExt : `${extname(command)};${pathExt}`
  const look = (path: string) => whichCommand(path, { cwd: directory, pathExt: extensions })
  if (basename(command) !== command) return (await look(resolve(directory, command))) ?? null
  // Never in the working directory: what lies there by chance, or by somebody's intent, is not what was meant.
  for (const folder of (variable(environment, 'PATH') ?? '').split(delimiter)) {
    const found = folder === '' ? undefined : await look(resolve(directory, unquoted(folder), command))
    if (found !== undefined) return found
  }
  return null
}

/** Names of variables are of either case on Windows; of several that are given the last one counts. */
export function variable(environment: Environment, name: string): string | undefined {
  return Object.entries(environment).findLast(([found]) => found.toUpperCase() === name)?.[1]
}

function unquoted(folder: string): string {
  return /^".*"$/.test(folder) ? folder.slice(1, -1) : folder
}

function isProgram(path: string): boolean {
  return /\.(com|exe)$/i.test(path)
}

function isBatch(path: string): boolean {
  return /\.(bat|cmd)$/i.test(path)
}

/** What cannot be read cmd.exe cannot run: it would say so with an exit code of its own, as if the command had run. */
async function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}

async function notRunnable(request: LaunchRequest): Promise<Error> {
  const code = (await somethingIsThere(request)) ? 'ENOEXEC' : 'ENOENT'
  return launchError(request, Object.assign(new Error(code), { code }))
}

async function throughShell(request: LaunchRequest, file: string): Promise<CommandLine> {
  // Nothing quotes these for cmd.exe: what follows a line break would be a command of its own.
  if ([file, ...request.args].some((part) => /[\r\n\0]/.test(part))) {
    throw await launchError(request, new Error('an argument of a batch file has a line break in it'))
  }
  const shell = variable(process.env, 'COMSPEC') ?? 'cmd.exe'
  // cmd.exe takes off the outer quotes itself (/s), and expands no `!` (/v:off).
  const line = [`"${file}"`, ...request.args.map(quoteForBatch)].join(' ')
  return { program: shell, args: ['/d', '/e:on', '/v:off', '/s', '/c', `"${line}"`], verbatim: true }
}

/**
 * An argument that cmd.exe hands to a batch file as it is, and reads as no command of its own: CVE-2024-24576. Quotes stay
 * balanced, whoever reads them; a `%` cannot be quoted, and is followed by a variable of no length.
 */
export function quoteForBatch(argument: string): string {
  if (/^[\w#$*+\-./:?@\\]+$/.test(argument) && !argument.endsWith('\\')) return argument
  const escaped = argument
    .replaceAll(/(\\+)(?="|$)/g, '$1$1')
    .replaceAll('"', '""')
    .replaceAll('%', '%%cd:~,%')
  return `"${escaped}"`
}

/** The program that the script's first line names, without its folder, which is another system's. Null where there is none. */
async function interpreterOf(script: string): Promise<string | null> {
  const file = await open(script, 'r').catch(() => null)
  if (file === null) return null
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0)
    const [, line] = /^#!(.*)/.exec(buffer.toString('utf8', 0, bytesRead)) ?? []
    const words = line?.trim().split(/\s+/) ?? []
    const named = words[0]?.split('/').at(-1)
    return (named === 'env' ? words[1] : named) || null
  } finally {
    await file.close()
  }
}
