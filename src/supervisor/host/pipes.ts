import type { Socket } from 'node:net'
import type { HostPipe, HostPipes } from '../../containment/contract.js'
import { openInput, openOutput } from '../../containment/pipes.js'
import { settlesWithin } from '../../timers.js'
import { Pump } from '../pump.js'
import type { OutputStream } from '../tree-request.js'
import type { Output } from './output.js'

interface OutputPipe {
  readonly socket: Socket
  readonly pump: Pump
}

/** A tree's pipes where the host opens them itself: its output and input pass through nobody else. */
export class TreePipes {
  readonly stdin: Socket | null
  readonly #outputs: readonly OutputPipe[]
  readonly #pumps: Readonly<Record<OutputStream, Pump | null>>

  /** Throws `launch_failed` where one of them cannot be opened; then none is. */
  static open(pipes: HostPipes, outputs: Readonly<Record<OutputStream, Output>>): TreePipes {
    const opened: Socket[] = []
    const keep = (socket: Socket) => {
      opened.push(socket)
      return socket
    }
    const output = (pipe: HostPipe | null, output: Output) => {
      if (pipe === null) return null
      const socket = keep(openOutput(pipe, (chunk) => pump.take(chunk)))
      const pump = new Pump(socket, (chunk) => output.push(chunk))
      socket.resume()
      return { socket, pump }
    }
    try {
      const stdin = pipes[0] && keep(openInput(pipes[0]))
      return new TreePipes(stdin, output(pipes[1], outputs[1]), output(pipes[2], outputs[2]))
    } catch (error) {
      for (const socket of opened) socket.destroy()
      throw error
    }
  }

  private constructor(stdin: Socket | null, stdout: OutputPipe | null, stderr: OutputPipe | null) {
    // EPIPE: a tool may exit without reading its input.
    stdin?.on('error', () => {})
    this.stdin = stdin
    this.#outputs = [stdout, stderr].filter((output) => output !== null)
    this.#pumps = { 1: stdout?.pump ?? null, 2: stderr?.pump ?? null }
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
    for (const { socket } of this.#outputs) socket.unref()
    this.stdin?.destroy()
  }

  close(): void {
    this.stdin?.destroy()
    this.#pumps[1]?.stop()
    this.#pumps[2]?.stop()
  }
}
