/** The frames of native-helpers/protocol.md: what is written to the launcher, and what comes back. */

export const toLauncher = { launch: 1, opened: 2, stop: 3, kill: 4, lease: 5, look: 6 } as const

export const fromLauncher = {
  hello: 64,
  launched: 65,
  launchFailed: 66,
  stopping: 67,
  rootExited: 68,
  empty: 69,
  survivors: 70,
  guardLost: 71,
  refused: 72,
} as const

export interface Frame {
  readonly type: number
  readonly tree: number
  readonly body: FrameBody
}

/** Of a number that is left out, as the largest of 64 bits. */
export const none = 2n ** 64n - 1n

/** As long as a frame's body may be. */
export const longestBody = 16 * 1024 * 1024 - 8

const lengthBytes = 4
const headBytes = 8

/** A frame in one buffer: its length, type and tree, then the parts of its body. */
export function frameOf(type: number, tree: number, parts: readonly Uint8Array[] = []): Buffer {
  const body = parts.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.alloc(lengthBytes + headBytes)
  head.writeUInt32LE(headBytes + body, 0)
  head.writeUInt8(type, lengthBytes)
  head.writeUInt32LE(tree, lengthBytes + 4)
  return Buffer.concat([head, ...parts])
}

/** Milliseconds and counts; what is infinite, or as good as that, is left out. */
export function u64(value: number, infinite = none): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value < 2 ** 64 ? BigInt(Math.max(0, Math.round(value))) : infinite)
  return bytes
}

/** Cuts what arrives into frames, whatever the pieces that it arrives in. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The frames that are whole by now. */
  read(chunk: Buffer): Frame[] {
    const frames: Frame[] = []
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= lengthBytes) {
      const end = lengthBytes + this.#rest.readUInt32LE(0)
      if (this.#rest.length < end) break
      const frame = this.#rest.subarray(lengthBytes, end)
      this.#rest = this.#rest.subarray(end)
      const body = new FrameBody(frame.subarray(headBytes))
      frames.push({ type: frame.readUInt8(0), tree: frame.readUInt32LE(4), body })
    }
    return frames
  }
}

/** The fields of a frame, read one after another. */
export class FrameBody {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4))
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8))
  }

  text(): string {
    const length = this.u32()
    const from = this.#take(length)
    return this.#bytes.toString('utf8', from, from + length)
  }

  #take(bytes: number): number {
    const from = this.#at
    this.#at += bytes
    return from
  }
}
