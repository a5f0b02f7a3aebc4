import { CoppiceError } from '../../errors.js'
import { refuseUnknown } from './options.js'

/**
 * What an entry is in a model's history. A call that no later entry of the run has the result of is in the run's ending,
 * with what became of its command.
 */
export interface AppendOptions {
  /** Ids of the calls that the entry makes. */
  readonly calls?: readonly string[]
  /** Ids of the calls that the entry has the results of. */
  readonly results?: readonly string[]
}

const mostIds = 1000

export function parseAppend(options: AppendOptions): AppendOptions {
  refuseUnknown('append', options, ['calls', 'results'])
  const { calls, results } = options
  return {
    ...(calls === undefined ? {} : { calls: ids('calls', calls) }),
    ...(results === undefined ? {} : { results: ids('results', results) }),
  }
}

function ids(name: string, list: readonly string[]): readonly string[] {
  if (!Array.isArray(list) || list.length > mostIds)
    throw new CoppiceError('invalid_option', `append: ${name}: must be a list of at most ${mostIds} ids`)
  return list.map((id) => parseCallId(`append: ${name}`, id))
}

export function parseCallId(option: string, id: unknown): string {
  if (typeof id === 'string' && id !== '' && id.length <= 1000) return id
  throw new CoppiceError('invalid_option', `${option}: a call's id must be a text of 1 to 1000 characters`)
}
