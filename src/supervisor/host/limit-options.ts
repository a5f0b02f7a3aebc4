import { type Limits, noLimits } from '../../containment/limits.js'
import { CoppiceError } from '../../errors.js'
import { parseSize, type Size } from '../../sizes.js'
import { refuseUnknown } from './options.js'

/** What each tree may take; one that takes more is ended as `over_limit`. `Infinity` is no limit. */
export interface LimitOptions {
  /** Processes and threads that are alive at once; both count, as for the kernel and docker. */
  readonly pids?: number
  /** Memory of all its processes together: `'512MB'`, or bytes. */
  readonly memory?: Size
  /** Processors that it may keep busy: 1.5 is one and a half. It is slowed down to that, and not ended. */
  readonly cpus?: number
  /** What it writes to stdout and stderr together, where those are pipes: `'100MB'`, or bytes. */
  readonly output?: Size
}

/** The limits that `options` ask for, each default from `defaults`. `invalid_option` names what is no limit. */
export function parseLimits(options: LimitOptions | undefined, defaults: Limits = noLimits): Limits {
  if (options === undefined) return defaults
  refuseUnknown('limits', options, ['pids', 'memory', 'cpus', 'output'])
  const { pids = defaults.pids, cpus = defaults.cpus } = options
  const memory = options.memory === undefined ? defaults.memory : parseSize('limits.memory', options.memory)
  if (!isCount(pids)) throw invalid('pids', pids, 'a whole number from 1 on')
  if (!(memory > 0)) throw invalid('memory', options.memory, 'a size above 0')
  if (!(typeof cpus === 'number' && cpus > 0)) throw invalid('cpus', cpus, 'a number above 0')
  const output = options.output === undefined ? defaults.output : parseSize('limits.output', options.output)
  if (!(output > 0)) throw invalid('output', options.output, 'a size above 0')
  return { pids, memory, cpus, output }
}

function isCount(value: unknown): boolean {
  return value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1)
}

function invalid(name: string, value: unknown, wanted: string): CoppiceError {
  return new CoppiceError('invalid_option', `limits.${name}: ${JSON.stringify(value)} is not ${wanted}`)
}
