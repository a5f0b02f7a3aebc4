import { type Command, Option } from 'commander'
import { count, duration, share, size, text } from '../option-values.js'
import { withJson, withState } from './shared-options.js'

/** The commands that run something, or end it. What they do is loaded when one of them is called. */
export function addRunning(program: Command): void {
  program.commandsGroup('Run:')
  addRun(program)
  addCancel(program)
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
    .action(async (command: string[], options) => (await import('../run.js')).run(command, options))
}

const runHelp = `
Exit code: the command's own, or 128+n where signal n ended it; 124 timed out or stalled; 125 coppice failed, or the run was
lost; 126 not executable; 127 not found; 75 the session is busy; 130, 143 or 129 cancelled by SIGINT, SIGTERM or
SIGHUP (143 also by coppice cancel); 137 over its limit of memory or processes. A second signal skips the grace.

Example: coppice run --session demo --timeout 10m -- npm test`

function addCancel(program: Command): void {
  withJson(program.command('cancel'))
    .summary('cancel a run, and wait until it has ended')
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
    .action(async (run: string | undefined, options) => (await import('../cancel.js')).cancel(run, options))
}
