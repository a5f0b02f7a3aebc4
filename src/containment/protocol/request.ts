import { constants } from 'node:os'
import { CoppiceError } from '../../errors.js'
import type { LaunchRequest, StdioPlan } from '../contract.js'
import { runVariable, treeVariable } from '../processes/cookie.js'
import { longestBody, u64 } from './frames.js'

/** The fields of a launch, as native-helpers/protocol.md numbers them. */
export const launchField = {
  argument: 1,
  setVariable: 2,
  unsetVariable: 3,
  directory: 4,
  stdio: 5,
  grace: 6,
  killBound: 7,
  timeout: 8,
  lease: 9,
  terminate: 10,
  stopSignal: 11,
  stopStdin: 12,
  linger: 13,
  cgroup: 14,
  mostProcesses: 15,
  mostMemory: 16,
  terminal: 17,
  lastWord: 19,
  verbatim: 20,
  mostCpus: 21,
  nice: 22,
} as const

const planNumbers: Record<StdioPlan, number> = { ignore: 0, pipe: 1, inherit: 2 }

export interface Lease {
  /** When it ends, in milliseconds of the monotonic clock. */
  readonly until: number
  /** How many milliseconds it lives without renewal. */
  readonly ttl: number
}

/** Milliseconds between the end of a tree and the end of its lease, for what a busy machine does in between. */
const leaseMargin = 1_000

/** The body of a launch. `inherited` is the environment that the launcher has: the request's own is told as a difference to it. */
export function launchBody(
  request: LaunchRequest,
  inherited: Readonly<Record<string, string | undefined>>,
  lease: Lease | null,
  /** The cgroup that the root joins. */
  cgroup: string | null = null,
  /** Fields that are of one kind of containment alone. */
  more: readonly Uint8Array[] = [],
): Uint8Array[] {
  const { command, args, cwd, stdio, bounds, limits, linger, stop } = request
  const fields = [
    ...[command, ...args].map((argument) => textField(launchField.argument, argument)),
    ...environmentFields(request, inherited),
    ...(cwd === undefined ? [] : [textField(launchField.directory, cwd)]),
    fieldOf(launchField.stdio, Buffer.from(stdio.map((plan) => planNumbers[plan]))),
    fieldOf(launchField.grace, u64(bounds.grace)),
    fieldOf(launchField.killBound, u64(bounds.killBound)),
    fieldOf(launchField.timeout, u64(bounds.timeout)),
    fieldOf(launchField.terminate, flag(stop.terminate === 'root')),
    fieldOf(launchField.stopSignal, Buffer.from([constants.signals[stop.signal]])),
    fieldOf(launchField.stopStdin, flag(stop.endsStdin)),
    fieldOf(launchField.linger, flag(linger === 'keep')),
    fieldOf(launchField.mostProcesses, u64(limits.pids)),
    fieldOf(launchField.mostMemory, u64(limits.memory)),
    ...(request.terminal === true ? [fieldOf(launchField.terminal, Buffer.from([1]))] : []),
    ...(request.nice ? [fieldOf(launchField.nice, Buffer.from([request.nice]))] : []),
    ...(request.lastWord === undefined ? [] : [textField(launchField.lastWord, request.lastWord)]),
    ...(cgroup === null ? [] : [textField(launchField.cgroup, cgroup)]),
    ...(lease === null
      ? []
      : [fieldOf(launchField.lease, Buffer.concat([u64(lease.until), u64(reserveOf(request, lease))]))]),
    ...more,
  ]
  const length = fields.reduce((sum, { length }) => sum + length, 0)
  if (length > longestBody) {
    const message = `cannot launch ${command}: its arguments and variables are ${length} bytes, and 16 MiB are the most`
    throw new CoppiceError('launch_failed', message, { path: command })
  }
  return fields
}

/**
 * How long before the end of its lease a tree begins to end. Half a lease at most, whatever its bounds: a tree that
 * began to end as soon as it was launched would be of no use.
 */
function reserveOf({ bounds }: LaunchRequest, { ttl }: Lease): number {
  return Math.min(bounds.grace + bounds.killBound + leaseMargin, ttl / 2)
}

/**
 * The launcher keeps the environment that it was started with, byte for byte, also what is no UTF-8. Only what has
 * changed in this process since, and what the request asks for, is said.
 */
function environmentFields(
  { env, run, tree }: LaunchRequest,
  inherited: Readonly<Record<string, string | undefined>>,
): Buffer[] {
  const wanted: Record<string, string | undefined> = {
    ...changesSince(inherited),
    ...env,
    [runVariable]: run ?? undefined,
    [treeVariable]: tree,
  }
  return Object.entries(wanted).map(([name, value]) =>
    value === undefined
      ? textField(launchField.unsetVariable, name)
      : textField(launchField.setVariable, `${name}=${value}`),
  )
}

function changesSince(
  inherited: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const now = process.env
  const changes: Record<string, string | undefined> = {}
  let same = 0
  // Not by a spread: of the process's environment it asks for each name three times, on every launch.
  for (const name of Reflect.ownKeys(now) as string[]) {
    const value = now[name]
    if (inherited[name] === value) same++
    else changes[name] = value
  }
  const names = Object.keys(inherited)
  if (same < names.length) for (const name of names) if (now[name] === undefined) changes[name] = undefined
  return changes
}

export function flag(isSet: boolean): Buffer {
  return Buffer.from([isSet ? 1 : 0])
}

function textField(kind: number, text: string): Buffer {
  return fieldOf(kind, Buffer.from(text))
}

export function fieldOf(kind: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(kind, 0)
  head.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
