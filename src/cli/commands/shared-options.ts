import { type Command, Option } from 'commander'
import { text } from '../option-values.js'

/** A command that looks at a state, or changes it, and tells what there is to tell as JSON where that is wanted. */
export function withJson(command: Command): Command {
  return withState(command.option('--json', 'print one JSON value'), false)
}

/** A command that has a state, and with `logs` a level of what it logs. */
export function withState(command: Command, logs: boolean): Command {
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
