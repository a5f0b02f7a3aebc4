import { type Duration, parseDuration } from '../../durations.js'
import { CoppiceError } from '../../errors.js'
import { type Bounds, defaultBounds } from '../../runs/bounds.js'

/** Bounds as callers write them. */
export interface BoundOptions {
  /** How long the run or command may take. Default 1 h; for a command in a run, as long as its run. */
  readonly timeout?: Duration
  /**
   * How long a run may make no progress (output of its commands, an entry, a draft, `progress`, a subagent's progress), or a
   * command write nothing, before it is ended as `stalled`. Default 10 m; for a command in a run, as long as its run.
   */
  readonly stallTimeout?: Duration
  /** Between SIGTERM and SIGKILL. Default 5 s. */
  readonly grace?: Duration
  /** From SIGKILL until what still lives is recorded as a survivor. Default 10 s. */
  readonly killBound?: Duration
  /** How long output is read after the tree's end where somebody else holds the pipe. Default 2 s. */
  readonly drainBound?: Duration
}

export const boundNames = ['timeout', 'stallTimeout', 'grace', 'killBound', 'drainBound'] as const

/** The bounds that `options` ask for, each default from `defaults`. `invalid_option` names what is no duration. */
export function parseBounds(options: BoundOptions, defaults: Bounds = defaultBounds): Bounds {
  const bound = (name: keyof Bounds) => {
    const value = options[name]
    return value === undefined ? defaults[name] : parseDuration(name, value)
  }
  return {
    timeout: bound('timeout'),
    stallTimeout: bound('stallTimeout'),
    grace: bound('grace'),
    killBound: bound('killBound'),
    drainBound: bound('drainBound'),
  }
}

/** An option that does not exist is refused by name: ignoring it would break what the caller meant by it. */
export function refuseUnknown(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new CoppiceError('invalid_option', `${what}: the options must be an object`)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new CoppiceError(
        'invalid_option',
        `${what}: there is no option ${name} (there are ${known.join(', ')})`,
      )
    }
  }
}
