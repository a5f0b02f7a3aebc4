import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { socketAddress } from '../../containment/processes/directories.js'
import { makeFolder } from '../../folders.js'
import { after } from '../../timers.js'
import type { RunDoing } from '../doing.js'
import type { KeeperHealth } from '../health.js'

/** Characters of a line. An answer may have the commands of a run in it. */
const longestQuestion = 1000
const longestAnswer = 1_000_000

/**
 * How supervisors that share a store reach each other: each listens on a socket of its own. A line `news RUN` says
 * that this run of the listener's changed in the store; `until RUN` asks to be told when that run has ended; `health` is
 * answered with a `KeeperHealth` and `doing RUN` with a `RunDoing`, or null, in a line of JSON.
 * A connection's end is a death notice. Who has one open for that says `here SOCKET`, its own, and gets its news by it: to
 * connect takes longer than all the rest of a wake-up. Nothing depends on a line's arrival: whoever waits also looks at the
 * store now and then.
 */
export class WakeSocket {
  readonly path: string
  readonly #server: Server
  readonly #peers = new Set<Socket>()
  readonly #watchers = new Map<string, Set<Socket>>()
  /** The connections of those that wait for this supervisor's death, each by its own socket's path. */
  readonly #heirs = new Map<string, Socket>()

  static async open(folder: string, supervisor: string, events: WakeEvents): Promise<WakeSocket> {
    await makeFolder(folder)
    const path = join(folder, `${supervisor}.sock`)
    const socket = new WakeSocket(path, events)
    await new Promise<void>((resolve, reject) => {
      socket.#server.once('error', reject)
      socket.#server.listen(socketAddress(path), resolve)
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
        else if (word === 'here') this.#inherit(line.slice('here '.length), peer)
        else if (word === 'doing') {
          events.doing(run).then(
            (doing) => peer.write(`${JSON.stringify(doing)}\n`),
            () => peer.destroy(),
          )
        } else if (word === 'until') this.#watch(run, peer, events.isLive(run))
      })
      peer.on('error', () => {})
      peer.on('close', () => this.#peers.delete(peer))
    })
  }

  /** Tells the supervisor that listens at `path` to look at a run of its own in the store. */
  tellNews(path: string, run: string): void {
    const heir = this.#heirs.get(path)
    if (heir === undefined || !heir.writable) tellNews(path, run)
    else heir.write(`news ${run}\n`)
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

  #inherit(path: string, peer: Socket): void {
    this.#heirs.set(path, peer)
    peer.on('close', () => {
      if (this.#heirs.get(path) === peer) this.#heirs.delete(path)
    })
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
  doing(run: string): Promise<RunDoing | null>
}

/** What a supervisor says of its health, from whichever process; null where it says nothing within `bound` milliseconds. */
export function askHealth(path: string, bound: number): Promise<KeeperHealth | null> {
  return ask(path, 'health', bound)
}

/** What it says that one of its runs is doing; null also where it has no such run. */
export function askDoing(path: string, run: string, bound: number): Promise<RunDoing | null> {
  return ask(path, `doing ${run}`, bound)
}

function ask<T>(path: string, question: string, bound: number): Promise<T | null> {
  return new Promise((resolve) => {
    const socket = connect(socketAddress(path))
    const told = (answer: T | null) => {
      disarm()
      socket.destroy()
      resolve(answer)
    }
    const disarm = after(bound, () => told(null))
    socket.on('error', () => told(null))
    socket.on('close', () => told(null))
    onLines(socket, (line) => told(parsed(line)), longestAnswer)
    socket.write(`${question}\n`)
  })
}

/** Whoever listens there may be no supervisor. */
function parsed<T>(line: string): T | null {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

/** Tells a supervisor to look at a run of its own in the store, where no connection is open yet. */
export function tellNews(path: string, run: string): void {
  const socket = connect(socketAddress(path))
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

/**
 * Calls `onEnd` once, when the supervisor that listens there dies. Until then it may tell the one that listens at `own` news
 * of its runs.
 */
export function onDeath(
  path: string,
  { own, onNews, onEnd }: { own: string | null; onNews(run: string): void; onEnd(): void },
): () => void {
  const { socket, unwatch } = watch(path, onEnd)
  if (own !== null) socket.write(`here ${own}\n`)
  onLines(socket, (line) => {
    const [word, run] = line.split(' ')
    if (word === 'news' && run !== undefined) onNews(run)
  })
  return unwatch
}

/** A listener that cannot be reached in the first place is no event: it would come back at once, for ever. */
function watch(path: string, onEnd: () => void): { socket: Socket; unwatch: () => void } {
  const socket = connect(socketAddress(path))
  socket.on('error', () => {})
  socket.on('connect', () => socket.on('close', onEnd))
  const unwatch = () => {
    socket.off('close', onEnd)
    socket.removeAllListeners('connect')
    socket.destroy()
  }
  return { socket, unwatch }
}

function onLines(socket: Socket, onLine: (line: string) => void, longest = longestQuestion): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    // A peer that never ends its line is no supervisor.
    if (rest.length > longest) socket.destroy()
    for (const line of lines) onLine(line)
  })
}
