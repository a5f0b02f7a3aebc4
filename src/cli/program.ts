import { Command, CommanderError } from 'commander'
import { isCoppiceError } from '../errors.js'
import { addLooking } from './commands/looking.js'
import { addOnCall } from './commands/on-call.js'
import { addRunning } from './commands/running.js'
import { exitCodes } from './exit-codes.js'

/** Runs the command line and sets the exit code. One line on stderr says what is wrong with a bad one. */
export async function main(argv: readonly string[], version: string): Promise<void> {
  process.stdout.on('error', onUnwritable)
  // There is nobody left to tell; the exit code says it still.
  process.stderr.on('error', () => {})
  try {
    await program(version).parseAsync([...argv])
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
  // EOF is what Node calls it of some of Windows' pipes.
  if (error.code === 'EPIPE' || error.code === 'EOF') return
  process.stderr.write(`coppice: cannot write to stdout: ${error.message}\n`)
  process.exitCode = exitCodes.failed
}

function program(version: string): Command {
  const program = new Command('coppice')
    .description(
      'Runs tools in process trees of their own, and ends the whole tree, its run and its session’s lock together.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({
      // Commander's own lines begin with "error: " and may add a second line; ours is one.
      outputError: (message, write) => write(`coppice: ${oneLine(message.replace(/^error: /, ''))}\n`),
    })
  addRunning(program)
  addLooking(program)
  addOnCall(program)
  program.addHelpText('after', help)
  return program
}

const help = `
A session is stuck:     coppice why SESSION       who holds it, and the command that would end that
The gateway is stuck:   coppice health            which process or loop does not respond
Something crashed:      coppice doctor --fix      finds what it left, and mends it

Example: coppice run --session demo --timeout 10m -- npm test
Each command has a help of its own: coppice why --help`

function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*\n\s*/g, ' ')
}
