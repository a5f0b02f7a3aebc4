import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { FrameReader, frameOf, fromLauncher, toLauncher } from '#src/containment/protocol/frames.js'
import { sanitizedLauncher } from '../support/native.ts'
import { Chance, field, mutant, validRequest } from './mutants.ts'

const launcher = sanitizedLauncher()

const requests = Number(process.env.TEST_REQUESTS ?? 100_000)
const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 0x7fff_ffff))
const batch = 500

/** What the parser says of one frame: the tree that it names, and what is wrong with it; nothing where it is taken. */
interface Verdict {
  readonly tree: number
  readonly why: string
}

/** The parser alone, under address and undefined-behaviour sanitizers: it says what it would do, and starts nothing. */
class Parser {
  readonly child: ChildProcess
  readonly #control: Socket
  readonly #reader = new FrameReader()
  readonly #verdicts: Verdict[] = []
  #stderr = ''
  #news = Promise.withResolvers<void>()

  constructor(path: string) {
    this.child = spawn(path, ['--check'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.child.on('close', () => this.#news.resolve())
    this.#control = this.child.stdio[3] as Socket
    this.#control.on('error', () => {})
    this.#control.on('data', (chunk: Buffer) => {
      for (const { type, tree, body } of this.#reader.read(chunk)) {
        expect(type).toBe(fromLauncher.refused)
        this.#verdicts.push({ tree, why: body.text() })
      }
      this.#news.resolve()
    })
  }

  /** The next `count` verdicts on what these bytes hold. */
  async judge(count: number, bytes: Buffer): Promise<Verdict[]> {
    this.#control.write(bytes)
    while (this.#verdicts.length < count) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(this.#stderr)
      this.#news = Promise.withResolvers()
      await this.#news.promise
    }
    return this.#verdicts.splice(0, count)
  }

  /** What it said before it left; with the control closed it has nothing to stay for. */
  async close(): Promise<{ code: number | null; stderr: string; unasked: number }> {
    this.#control.destroy()
    if (this.child.exitCode === null) await once(this.child, 'close')
    return { code: this.child.exitCode, stderr: this.#stderr, unasked: this.#verdicts.length }
  }
}

describe.skipIf(launcher === null)('the launcher’s parser under sanitizers (needs cc)', () => {
  let parser: Parser | null = null
  const start = () => {
    parser = new Parser(launcher ?? '')
    return parser
  }
  afterEach(() => void parser?.child.kill('SIGKILL'))

  test(`answers each of ${requests} mutated requests once, and takes a valid one after each`, async () => {
    const chance = new Chance(seed)
    const parser = start()
    const valid = Array.from({ length: 500 }, () => validRequest(chance, 1))
    const reasons = new Set<string>()
    try {
      for (let done = 0; done < requests; done += batch) {
        const frames = Array.from({ length: batch }, () => mutant(chance, valid))
        // After each there is a valid one, which is to be taken whatever came before it.
        const sent = frames.flatMap((frame) => [frame, chance.of(valid)])
        const verdicts = await parser.judge(sent.length, Buffer.concat(sent))
        for (const [i, { tree, why }] of verdicts.entries()) {
          if (i % 2 === 0) reasons.add(why)
          else if (tree !== 1 || why !== '')
            throw new Error(`refused after ${frames[(i - 1) / 2]?.toString('hex')}: ${why}`)
        }
      }
      expect(await parser.close()).toEqual({ code: 0, stderr: '', unasked: 0 })
    } catch (cause) {
      throw new Error(`seed ${seed} (repeat with TEST_SEED): ${(cause as Error).message}`, { cause })
    }
    // Otherwise these are no mutants: each way to be wrong is met, and some are right.
    expect([...reasons].toSorted()).toEqual([
      '',
      'a field is longer than its request',
      'a nice value is from 0 to 19',
      'a number has a wrong length',
      'a text has a NUL in it',
      'a variable has no name',
      'a variable to set has no value',
      'a variable to unset has a value',
      'stdio needs a plan for each of three descriptors',
      'the command is empty',
      'the frame has no proper head',
      'there is a field of an unknown kind',
      'there is no command',
      'there is no such frame',
      'there is no such plan for stdio',
      'there is no such signal',
    ])
  })

  test('reads on after a frame that is too long, and after a stream that comes byte by byte', async () => {
    const parser = start()
    const valid = frameOf(toLauncher.launch, 9, [field(1, 'true')])
    const long = Buffer.alloc(4 + 16 * 1024 * 1024 + 1, 0xff)
    long.writeUInt32LE(long.length - 4)
    expect(await parser.judge(2, Buffer.concat([long, valid]))).toEqual([
      { tree: 0, why: 'the frame is too long' },
      { tree: 9, why: '' },
    ])
    for (const byte of valid.subarray(0, -1)) expect(await parser.judge(0, Buffer.of(byte))).toEqual([])
    expect(await parser.judge(1, valid.subarray(-1))).toEqual([{ tree: 9, why: '' }])
    expect(await parser.close()).toMatchObject({ code: 0, stderr: '' })
  })

  test('takes the largest requests there can be', async () => {
    const parser = start()
    const count = 1_000_000
    const empty = field(1, '')
    const arguments_ = Buffer.alloc(count * empty.length, empty)
    const variables = Array.from({ length: 100_000 }, (_, i) => field(2, `NAME_${i}=${i}`))
    const frames = [
      [field(1, 'true'), arguments_],
      [field(1, 'true'), ...variables],
    ].map((parts, i) => frameOf(toLauncher.launch, i, parts))
    expect(await parser.judge(2, Buffer.concat(frames))).toEqual([
      { tree: 0, why: '' },
      { tree: 1, why: '' },
    ])
    expect(await parser.close()).toMatchObject({ code: 0, stderr: '' })
  })

  test('ends in the middle of a frame without a word', async () => {
    const parser = start()
    await parser.judge(1, Buffer.concat([validRequest(new Chance(1), 1), Buffer.of(200, 0, 0, 0, 1)]))
    expect(await parser.close()).toEqual({ code: 0, stderr: '', unasked: 0 })
  })
})
