import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { makeFolder } from '../../folders.js'
import { after } from '../../timers.js'
import type { KeeperHealth } from '../messages.js'

/**
 * How supervisors that share a store reach each other: each listens on a socket of its own. A line `news RUN` says
 * that this run of the listener's changed in the store; `until RUN` asks to be told when that run has ended; `health` is
 * answered with a `KeeperHealth` in a line of JSON.
 * A connection's end is a death notice. Nothing depends on a line's arrival: whoever waits also looks at the
 * store now and then.
 */
export class WakeSocket {
  readonly path: string
  readonly #server: Server
  readonly #peers = new Set<Socket>()
  readonly #watchers = new Map<string, Set<Socket>>()

  static async open(folder: string, supervisor: string, events: WakeEvents): Promise<WakeSocket> {
    await makeFolder(folder)
    const path = join(folder, `${supervisor}.sock`)
    const socket = new WakeSocket(path, events)
    await new Promise<void>((resolve, reject) => {
      socket.#server.once('error', reject)
      socket.#server.listen(path, resolve)
    })
    return socket
  }

  private constructor(path: string, events: WakeEvents) {
    this.path = path
    this.#server = createServer((peer) => {
      this.#peers.add(peer)
      onLines(peer, (line) => {
        const [word, run] = line.split(' ')
        if (word === 'health') peer.write(`${JSON.stringify(events.health())}\n`)
        if (run === undefined) return
        if (word === 'news') events.onNews(run)
        else if (word === 'until') this.#watch(run, peer, events.isLive(run))
      })
      peer.on('error', () => {})
      peer.on('close', () => this.#peers.delete(peer))
    })
  }

  /** Tells whoever asked that a run has ended. */
  ended(run: string): void {
    for (const peer of this.#watchers.get(run) ?? []) peer.write(`ended ${run}\n`)
    this.#watchers.delete(run)
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await rm(this.path, { force: true })
  }

  #watch(run: string, peer: Socket, live: boolean): void {
    if (!live) {
      peer.write(`ended ${run}\n`)
      return
    }
    const watchers = this.#watchers.get(run) ?? new Set()
    this.#watchers.set(run, watchers.add(peer))
    peer.on('close', () => watchers.delete(peer))
  }
}

export interface WakeEvents {
  onNews(run: string): void
  isLive(run: string): boolean
  health(): KeeperHealth
}

/** What a supervisor says of its health, from whichever process; null where it says nothing within `bound` milliseconds. */
export function askHealth(path: string, bound: number): Promise<KeeperHealth | null> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const told = (health: KeeperHealth | null) => {
      disarm()
      socket.destroy()
      resolve(health)
    }
    const disarm = after(bound, () => told(null))
    socket.on('error', () => told(null))
    socket.on('close', () => told(null))
    onLines(socket, (line) => told(JSON.parse(line)))
    socket.write('health\n')
  })
}

/** Tells another supervisor to look at a run of its own in the store. */
export function tellNews(path: string, run: string): void {
  const socket = connect(path)
  socket.on('error', () => {})
  socket.end(`news ${run}\n`)
  socket.resume()
}

/** Calls `onEnd` once: when the run has ended, or when its supervisor dies and can no longer say so. */
export function watchRun(path: string, run: string, onEnd: () => void): () => void {
  const { socket, unwatch } = watch(path, onEnd)
  socket.write(`until ${run}\n`)
  onLines(socket, () => socket.destroy())
  return unwatch
}

/** Calls `onEnd` once, when the supervisor that listens there dies. */
export function onDeath(path: string, onEnd: () => void): () => void {
  const { socket, unwatch } = watch(path, onEnd)
  socket.resume()
  return unwatch
}

/** A listener that cannot be reached in the first place is no event: it would come back at once, for ever. */
function watch(path: string, onEnd: () => void): { socket: Socket; unwatch: () => void } {
  const socket = connect(path)
  socket.on('error', () => {})
  socket.on('connect', () => socket.on('close', onEnd))
  const unwatch = () => {
    socket.off('close', onEnd)
    socket.removeAllListeners('connect')
    socket.destroy()
  }
  return { socket, unwatch }
}

function onLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    // A peer that never ends its line is no supervisor.
    if (rest.length > 1000) socket.destroy()
    for (const line of lines) onLine(line)
  })
}
