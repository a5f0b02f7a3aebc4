import { type Command, Option } from 'commander'
import { count, text } from '../option-values.js'
import { withJson } from './shared-options.js'

/** The commands that show what there is. */
export function addLooking(program: Command): void {
  program.commandsGroup('Look:')
  addPs(program)
  addSessions(program)
  addShow(program)
  addTranscript(program)
}

function addPs(program: Command): void {
  withJson(program.command('ps'))
    .summary('list the runs that wait or run')
    .description('Lists the runs that wait or run, the newest first.')
    .option('--all', 'list ended runs too, 100 at most')
    .option('--tree', 'draw the processes of each run, with their age, CPU time, memory and state')
    .addHelpText(
      'after',
      `
STATE of a process: running, sleeping, waiting (for a disk; no signal reaches it), stopped, traced or zombie.

Example: coppice ps
Example: coppice ps --tree
Example: coppice ps --json | jq -r '.[] | select(.state == "running") | .session'`,
    )
    .action(async (options) =>
      options.tree === true
        ? (await import('../ps-tree.js')).psTree(options)
        : (await import('../look.js')).ps(options),
    )
}

function addSessions(program: Command): void {
  withJson(program.command('sessions'))
    .summary('list the sessions and who holds each')
    .description('Lists the sessions, who holds each, and how many runs wait for it.')
    .addHelpText(
      'after',
      '\nThose that are held come first. coppice why SESSION tells more of one.\n\nExample: coppice sessions',
    )
    .action(async (options) => (await import('../look.js')).sessions(options))
}

function addShow(program: Command): void {
  withJson(program.command('show'))
    .summary('show one run and its timeline')
    .description('Shows one run: its state, its trees, its outcome, and its timeline with durations.')
    .argument('<run>', 'the run’s id, as ps prints it')
    .addHelpText(
      'after',
      '\nExit code: 1 where there is no such run.\n\nExample: coppice show rmi81xzhk02q8f5zk1',
    )
    .action(async (run: string, options) => (await import('../show.js')).show(run, options))
}

function addTranscript(program: Command): void {
  withJson(program.command('transcript'))
    .summary('print a session’s entries and endings')
    .description('Prints a session’s entries and the endings of its runs, the oldest first.')
    .argument('<session>', 'the session’s key')
    .addOption(new Option('--after <position>', 'only what stands after this position').argParser(text))
    .addOption(new Option('--limit <number>', 'at most this many').argParser(count))
    .addHelpText('after', '\nExample: coppice transcript demo --limit 20')
    .action(async (session: string, options) => (await import('../look.js')).transcript(session, options))
}
