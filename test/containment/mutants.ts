import { frameOf, none, toLauncher, u64 } from '#src/containment/protocol/frames.js'
import { launchField } from '#src/containment/protocol/request.js'

/** Numbers from a seed, the same ones each time (xorshift32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 1
  }

  /** From 0 up to, and without, `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.below(most + 1) }, () => this.below(256)))
  }
}

/** A request that a keeper would send. */
export function validRequest(chance: Chance, tree: number): Buffer {
  const fields = [
    ...many(chance, 1, 5, () =>
      field(launchField.argument, chance.of(['true', '/bin/sh', '-c', 'a b', 'ü'])),
    ),
    ...many(chance, 0, 6, () => field(launchField.setVariable, `${chance.of(['A', 'B', 'PATH'])}=${tree}`)),
    ...many(chance, 0, 3, () => field(launchField.unsetVariable, chance.of(['A', 'HOME', 'LANG']))),
    ...many(chance, 0, 1, () => field(launchField.directory, '/tmp')),
    field(launchField.stdio, Buffer.from([chance.below(3), chance.below(3), chance.below(3)])),
    field(launchField.lease, Buffer.concat([time(chance), time(chance)])),
    ...[launchField.grace, launchField.killBound, launchField.timeout].map((kind) =>
      field(kind, time(chance)),
    ),
    ...otherKinds.flatMap((other) => many(chance, 0, 1, () => other(chance))),
  ]
  return frameOf(toLauncher.launch, tree, fields)
}

/** Fields that the protocol has and no keeper sends so far. */
const otherKinds: ReadonlyArray<(chance: Chance) => Buffer> = [
  ...[10, 12, 13, 17].map((kind) => (chance: Chance) => field(kind, Buffer.from([chance.below(2)]))),
  (chance) => field(22, Buffer.from([chance.below(20)])),
  (chance) => field(11, Buffer.from([1 + chance.below(64)])),
  ...[14, 18, 19].map((kind) => () => field(kind, '/tmp/somewhere')),
  ...[15, 16].map((kind) => (chance: Chance) => field(kind, u64(chance.below(1 << 30)))),
]

/** A frame made of valid ones or of nothing; its length is true, so that what follows it is read as what it is. */
export function mutant(chance: Chance, valid: readonly Buffer[]): Buffer {
  let body = chance.of(valid).subarray(4)
  const times = 1 + chance.below(4)
  for (let i = 0; i < times; i++) body = chance.of(mutations)(body, chance, valid)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(body.length)
  return Buffer.concat([length, body])
}

type Mutation = (body: Buffer, chance: Chance, valid: readonly Buffer[]) => Buffer

const mutations: readonly Mutation[] = [
  function flipABit(body, chance) {
    const copy = Buffer.from(body)
    if (copy.length > 0) {
      const at = chance.below(copy.length)
      copy[at] = (copy[at] ?? 0) ^ (1 << chance.below(8))
    }
    return copy
  },
  function truncate(body, chance) {
    return body.subarray(0, chance.below(body.length + 1))
  },
  function duplicateAPart(body, chance) {
    const [from, to] = part(body, chance)
    return Buffer.concat([body.subarray(0, to), body.subarray(from)])
  },
  function leaveAPartOut(body, chance) {
    const [from, to] = part(body, chance)
    return Buffer.concat([body.subarray(0, from), body.subarray(to)])
  },
  function spliceAnother(body, chance, valid) {
    const other = chance.of(valid).subarray(4)
    return Buffer.concat([
      body.subarray(0, chance.below(body.length + 1)),
      other.subarray(chance.below(other.length + 1)),
    ])
  },
  function lieAboutALength(body, chance) {
    return overwrite(body, chance, number(chance.of(lies), 4))
  },
  function lieAboutANumber(body, chance) {
    return overwrite(body, chance, number(chance.of([0n, none, none - 1n, 2n ** 63n]), 8))
  },
  function putANul(body, chance) {
    return overwrite(body, chance, Buffer.of(0))
  },
  function repeatAField(body, chance) {
    const one = field(1 + chance.below(20), chance.bytes(6))
    return Buffer.concat([body, ...Array.from({ length: chance.below(200) }, () => one)])
  },
  function beNoise(_, chance) {
    return chance.bytes(200)
  },
  function haveAProperHead(body, chance) {
    return Buffer.concat([Buffer.from([1, 0, 0, 0, 1, 0, 0, 0]), body.subarray(Math.min(8, chance.below(9)))])
  },
]

const lies: readonly bigint[] = [
  0n,
  1n,
  0x7fn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fffbn,
  0xffff_fffen,
  0xffff_ffffn,
]

function part(body: Buffer, chance: Chance): [from: number, to: number] {
  const ends = [chance.below(body.length + 1), chance.below(body.length + 1)]
  return [Math.min(...ends), Math.max(...ends)]
}

function overwrite(body: Buffer, chance: Chance, bytes: Buffer): Buffer {
  const at = chance.below(body.length + 1)
  return Buffer.concat([body.subarray(0, at), bytes, body.subarray(at + bytes.length)])
}

function time(chance: Chance): Buffer {
  return u64(chance.of([0, 1, 5_000, Number.POSITIVE_INFINITY]))
}

function number(value: bigint, bytes: 4 | 8): Buffer {
  const whole = Buffer.alloc(8)
  whole.writeBigUInt64LE(value)
  return whole.subarray(0, bytes)
}

function many(chance: Chance, least: number, most: number, make: () => Buffer): Buffer[] {
  return Array.from({ length: least + chance.below(most - least + 1) }, make)
}

export function field(kind: number, content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.of(kind), number(BigInt(bytes.length), 4), bytes])
}
