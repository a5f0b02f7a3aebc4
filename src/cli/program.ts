import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { isCoppiceError } from '../errors.js'
import { exitCodes } from './exit-codes.js'
import { count, duration, share, size, text } from './option-values.js'

/** Runs the command line and sets the exit code. One line on stderr says what is wrong with a bad one. */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', onUnwritable)
  // There is nobody left to tell; the exit code says it still.
  process.stderr.on('error', () => {})
  try {
    await program().parseAsync([...argv])
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has written the help, the version, or its one line by now.
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage
    } else if (isCoppiceError(error)) {
      process.stderr.write(`coppice: ${oneLine(error.message)}\n`)
      process.exitCode = error.code === 'invalid_option' ? exitCodes.usage : exitCodes.failed
    } else {
      process.stderr.write(`coppice: ${error instanceof Error ? error.stack : String(error)}\n`)
      process.exitCode = exitCodes.failed
    }
  }
}

/**
 * A reader that had enough (`| head`) is no failure; a full disk is one. Neither ends the process on the spot: it may
 * have a store to leave.
 */
function onUnwritable(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return
  process.stderr.write(`coppice: cannot write to stdout: ${error.message}\n`)
  process.exitCode = exitCodes.failed
}

function program(): Command {
  const program = new Command('coppice')
    .description(
      'Runs tools in process trees of their own, and ends the whole tree, its run and its session’s lock together.',
    )
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      // Commander's own lines begin with "error: " and may add a second line; ours is one.
      outputError: (message, write) => write(`coppice: ${oneLine(message.replace(/^error: /, ''))}\n`),
    })
  addRun(program)
  addPs(program)
  addSessions(program)
  addShow(program)
  addTranscript(program)
  addCancel(program)
  addHealth(program)
  addBreaker(program)
  return program
}

function addRun(program: Command): void {
  const run = program
    .command('run')
    .summary('run a command in a tree of its own')
    .description(
      'Runs one command in a process tree of its own, and exits as it does. Nothing of the tree outlives it.',
    )
    .argument('<command...>', 'the command and its arguments; write -- before it')
    .passThroughOptions()
    .addOption(new Option('--session <key>', 'hold this session’s lock while it runs').argParser(text))
    .addOption(
      new Option('--timeout <duration>', 'end it after this time (default: none)').argParser(duration),
    )
    .addOption(
      new Option(
        '--stall-timeout <duration>',
        'end it after this time without output, which passes through coppice (default: none)',
      ).argParser(duration),
    )
    .addOption(
      new Option('--grace <duration>', 'time between SIGTERM and SIGKILL (default: 5s)').argParser(duration),
    )
    .addOption(
      new Option('--wait <duration>', 'wait this long for the session; 0 refuses at once').argParser(
        duration,
      ),
    )
    .addOption(
      new Option('--containment <kind>', 'insist on a kind of containment').choices([
        'cgroup',
        'guard',
        'job',
        'group',
      ]),
    )
    .addOption(
      new Option('--memory <size>', 'end it when it takes more memory, all together').argParser(size),
    )
    .addOption(
      new Option('--pids <number>', 'end it when more of its processes and threads live at once').argParser(
        count,
      ),
    )
    .addOption(new Option('--cpus <number>', 'slow it down to so many processors').argParser(share))
    .addOption(new Option('--report <file>', 'write the outcome there as JSON, at the end').argParser(text))
  withState(run, true)
    .addHelpText('after', runHelp)
    .action(async (command: string[], options) => (await import('./run.js')).run(command, options))
}

const runHelp = `
Exit code: the command's own, or 128+n where signal n ended it; 124 timed out or stalled; 125 coppice failed, or the run was
lost; 126 not executable; 127 not found; 75 the session is busy; 130, 143 or 129 cancelled by SIGINT, SIGTERM or
SIGHUP (143 also by coppice cancel); 137 over its limit of memory or processes. A second signal skips the grace.

Example: coppice run --session demo --timeout 10m -- npm test`

function addPs(program: Command): void {
  withJson(program.command('ps'))
    .description('Lists the runs that wait or run, the newest first.')
    .option('--all', 'list ended runs too, 100 at most')
    .addHelpText('after', '\nExample: coppice ps --json')
    .action(async (options) => (await import('./look.js')).ps(options))
}

function addSessions(program: Command): void {
  withJson(program.command('sessions'))
    .description('Lists the sessions, who holds each, and how many runs wait for it.')
    .addHelpText('after', '\nExample: coppice sessions')
    .action(async (options) => (await import('./look.js')).sessions(options))
}

function addShow(program: Command): void {
  withJson(program.command('show'))
    .description('Shows one run: its state, its trees, its outcome.')
    .argument('<run>', 'the run’s id, as ps prints it')
    .addHelpText('after', '\nExample: coppice show rmi81xzhk02q8f5zk1')
    .action(async (run: string, options) => (await import('./look.js')).show(run, options))
}

function addTranscript(program: Command): void {
  withJson(program.command('transcript'))
    .description('Prints a session’s entries and the endings of its runs, the oldest first.')
    .argument('<session>', 'the session’s key')
    .addOption(new Option('--after <position>', 'only what stands after this position').argParser(text))
    .addOption(new Option('--limit <number>', 'at most this many').argParser(count))
    .addHelpText('after', '\nExample: coppice transcript demo --limit 20')
    .action(async (session: string, options) => (await import('./look.js')).transcript(session, options))
}

function addCancel(program: Command): void {
  withJson(program.command('cancel'))
    .description('Cancels a run, or the one that holds a session, and waits until it has ended.')
    .argument('[run]', 'the run’s id')
    .addOption(new Option('--session <key>', 'the run that holds this session').argParser(text))
    .addOption(
      new Option('--grace <duration>', 'time between SIGTERM and SIGKILL; 0 kills at once').argParser(
        duration,
      ),
    )
    .addOption(new Option('--reason <text>', 'goes into the outcome').argParser(text))
    .addOption(new Option('--force', 'take the run from its supervisor, also one that does not answer'))
    .addHelpText('after', '\nExample: coppice cancel --session demo --reason "wrong branch"')
    .action(async (run: string | undefined, options) => (await import('./cancel.js')).cancel(run, options))
}

function addHealth(program: Command): void {
  withJson(program.command('health'))
    .description('Asks every supervisor of the state whether it responds, and its host’s event loop too.')
    .addHelpText('after', '\nExit code: 0 where all are well, else 1.\n\nExample: coppice health --json')
    .action(async (options) => (await import('./health.js')).health(options))
}

function addBreaker(program: Command): void {
  withJson(program.command('breaker'))
    .description('Shows whether a session’s breaker is open, since when and why, and closes it.')
    .argument('<session>', 'the session’s key')
    .option('--close', 'close it and forget the failures')
    .addHelpText('after', '\nExample: coppice breaker demo --close')
    .action(async (session: string, options) => (await import('./breaker.js')).breaker(session, options))
}

function withJson(command: Command): Command {
  return withState(command.option('--json', 'print one JSON value'), false)
}

function withState(command: Command, logs: boolean): Command {
  command.addOption(
    new Option(
      '--state <path>',
      'the state file (default: $COPPICE_STATE, else a file in the user’s state directory)',
    ).argParser(text),
  )
  if (!logs) return command
  return command.addOption(
    new Option('--log-level <level>', 'what is logged to stderr')
      .choices(['silent', 'error', 'warn', 'info', 'debug'])
      .default('silent'),
  )
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}

function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*\n\s*/g, ' ')
}
