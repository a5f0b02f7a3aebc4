import { type Command, Option } from 'commander'
import { count, duration, text } from '../option-values.js'
import { withJson, withState } from './shared-options.js'

/** The commands for whoever is called because something is stuck, and those that keep it from being so. */
export function addOnCall(program: Command): void {
  program.commandsGroup('On call:')
  addWhy(program)
  addHealth(program)
  addDoctor(program)
  addBreaker(program)
  addPrune(program)
  addAsk(program)
}

function addWhy(program: Command): void {
  withJson(program.command('why'))
    .summary('tell why a session is not free')
    .description(
      'Tells in one sentence who holds a session, since when and at what, until when, who waits, and the command that would end it now. Answers within two seconds, also where the gateway’s event loop is blocked, or its process is stopped or dead.',
    )
    .argument('<session>', 'the session’s key, as sessions prints it')
    .addHelpText('after', '\nExit code: 0; 3 where the state does not answer.\n\nExample: coppice why demo')
    .action(async (session: string, options) => (await import('../why.js')).why(session, options))
}

function addHealth(program: Command): void {
  withJson(program.command('health'))
    .summary('tell whether every supervisor responds, and how well')
    .description(
      'Asks every supervisor of the state, its host’s event loop and the store how they do, and gives a verdict with its reasons: ok, degraded or unresponsive. Answers within two seconds, whatever hangs.',
    )
    .addHelpText(
      'after',
      `
Exit code: 0 ok, 1 degraded, 3 unresponsive.

Example: coppice health
Example: coppice health --json | jq -r '.reasons[].message'`,
    )
    .action(async (options) => (await import('../health.js')).health(options))
}

function addDoctor(program: Command): void {
  withJson(program.command('doctor'))
    .summary('find what a crash left, and mend it')
    .description('Looks for what a crash left, and for what is wrong with the state or this machine.')
    .option('--fix', 'mend what is safe to mend, and say what was done; without it nothing is changed')
    .addOption(
      new Option(
        '--lock-files <folder>',
        'look at the *.jsonl.lock files there as well, as OpenClaw wrote them up to 2026.7',
      ).argParser(text),
    )
    .addHelpText('after', doctorHelp)
    .action(async (options) => (await import('../doctor.js')).doctor(options))
}

const doctorHelp = `
Checks run at once and are told as they finish, each within two seconds. Exit code: 0 where nobody need act, 1 where
somebody should.

Example: coppice doctor --fix`

function addBreaker(program: Command): void {
  withJson(program.command('breaker'))
    .summary('show a session’s breaker, or close it')
    .description('Shows whether a session’s breaker is open, since when and why, and closes it.')
    .argument('<session>', 'the session’s key')
    .option('--close', 'close it and forget the failures')
    .addHelpText('after', '\nExample: coppice breaker demo --close')
    .action(async (session: string, options) => (await import('../breaker.js')).breaker(session, options))
}

function addPrune(program: Command): void {
  withJson(program.command('prune'))
    .summary('forget old runs')
    .description(
      'Forgets runs that ended long ago, with their requests and commands: never an entry of a transcript, a request that is pending, or an ending that is to be told. Supervisors do this by themselves each hour.',
    )
    .addOption(new Option('--keep <duration>', 'how long a run is kept (default: 30d)').argParser(duration))
    .addOption(new Option('--number <number>', 'how many are kept at most (default: any)').argParser(count))
    .addHelpText('after', '\nExample: coppice prune --keep 7d')
    .action(async (options) => (await import('../prune.js')).prune(options))
}

/** Not for people: what commands ask that must answer whatever hangs. */
function addAsk(program: Command): void {
  withState(program.command('ask', { hidden: true }), false)
    .argument('<question>')
    .argument('[of]')
    .action(async (question: string, of: string | undefined, options) =>
      (await import('../ask.js')).ask(question, of, options),
    )
}
