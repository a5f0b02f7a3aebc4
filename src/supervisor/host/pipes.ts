import type { Socket } from 'node:net'
import type { HostPipe, HostPipes } from '../../containment/contract.js'
import { openPipe } from '../../containment/pipes.js'
import { settlesWithin } from '../../timers.js'
import type { OutputStream } from '../messages.js'
import { Pump } from '../pump.js'
import type { Output } from './output.js'

/** A tree's pipes where the host opens them itself: its output and input pass through nobody else. */
export class TreePipes {
  readonly stdin: Socket | null
  readonly #outputs: readonly Socket[]
  readonly #pumps: Readonly<Record<OutputStream, Pump | null>>

  /** Throws `launch_failed` where one of them cannot be opened; then none is. */
  static open(pipes: HostPipes, outputs: Readonly<Record<OutputStream, Output>>): TreePipes {
    const opened: Socket[] = []
    const open = (pipe: HostPipe | null, direction: 'read' | 'write') => {
      if (pipe === null) return null
      const socket = openPipe(pipe, direction)
      opened.push(socket)
      return socket
    }
    try {
      return new TreePipes(open(pipes[0], 'write'), open(pipes[1], 'read'), open(pipes[2], 'read'), outputs)
    } catch (error) {
      for (const socket of opened) socket.destroy()
      throw error
    }
  }

  private constructor(
    stdin: Socket | null,
    stdout: Socket | null,
    stderr: Socket | null,
    outputs: Readonly<Record<OutputStream, Output>>,
  ) {
    // EPIPE: a tool may exit without reading its input.
    stdin?.on('error', () => {})
    this.stdin = stdin
    this.#outputs = [stdout, stderr].filter((socket) => socket !== null)
    const pump = (source: Socket | null, output: Output) =>
      source && new Pump(source, (chunk) => output.push(chunk))
    this.#pumps = { 1: pump(stdout, outputs[1]), 2: pump(stderr, outputs[2]) }
  }

  credit(stream: OutputStream, bytes: number): void {
    this.#pumps[stream]?.credit(bytes)
  }

  /** The tree is dead: reads what is left, for `bound` milliseconds where somebody else holds a pipe. */
  async drain(bound: number): Promise<void> {
    const pumps = [this.#pumps[1], this.#pumps[2]].filter((pump) => pump !== null)
    for (const pump of pumps) pump.drain()
    await settlesWithin(bound, Promise.all(pumps.map((pump) => pump.done)))
    this.close()
  }

  /**
   * The root has exited, and what it left writes on: reads what was written so far, and drops what comes later, since a
   * pipe that nobody reads would stop or kill who writes.
   */
  async leave(bound: number): Promise<void> {
    const pumps = [this.#pumps[1], this.#pumps[2]].filter((pump) => pump !== null)
    await settlesWithin(bound, Promise.all(pumps.map((pump) => pump.caughtUp())))
    for (const pump of pumps) pump.discard()
    for (const output of this.#outputs) output.unref()
    this.stdin?.destroy()
  }

  close(): void {
    this.stdin?.destroy()
    this.#pumps[1]?.stop()
    this.#pumps[2]?.stop()
  }
}
