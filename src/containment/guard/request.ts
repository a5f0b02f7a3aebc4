import type { LaunchRequest, StdioPlan } from '../contract.js'
import { runVariable, treeVariable } from '../processes/cookie.js'
import { u64 } from './frames.js'

/** The fields of a launch, as native-helpers/protocol.md numbers them. */
const field = {
  argument: 1,
  setVariable: 2,
  unsetVariable: 3,
  directory: 4,
  stdio: 5,
  grace: 6,
  killBound: 7,
  timeout: 8,
  lease: 9,
  linger: 13,
  lastWord: 19,
} as const

const planNumbers: Record<StdioPlan, number> = { ignore: 0, pipe: 1, inherit: 2 }

export interface LaunchTimes {
  /** When our leases end, in milliseconds of the monotonic clock; null where nothing is leased. */
  readonly lease: number | null
}

/** The body of a launch. `inherited` is the environment that the launcher has: the request's own is told as a difference to it. */
export function launchBody(
  request: LaunchRequest,
  inherited: Readonly<Record<string, string | undefined>>,
  { lease }: LaunchTimes,
): Uint8Array[] {
  const { command, args, cwd, stdio, bounds, linger } = request
  return [
    ...[command, ...args].map((argument) => textField(field.argument, argument)),
    ...environmentFields(request, inherited),
    ...(cwd === undefined ? [] : [textField(field.directory, cwd)]),
    fieldOf(field.stdio, Buffer.from(stdio.map((plan) => planNumbers[plan]))),
    fieldOf(field.grace, u64(bounds.grace)),
    fieldOf(field.killBound, u64(bounds.killBound)),
    fieldOf(field.timeout, u64(bounds.timeout)),
    fieldOf(field.linger, Buffer.from([linger === 'keep' ? 1 : 0])),
    ...(request.lastWord === undefined ? [] : [textField(field.lastWord, request.lastWord)]),
    ...(lease === null ? [] : [fieldOf(field.lease, u64(lease))]),
  ]
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
      ? textField(field.unsetVariable, name)
      : textField(field.setVariable, `${name}=${value}`),
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

function textField(kind: number, text: string): Buffer {
  return fieldOf(kind, Buffer.from(text))
}

function fieldOf(kind: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(kind, 0)
  head.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
