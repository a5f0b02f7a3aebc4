import { type Observer, openObserver } from '#src/supervisor/host/observer.js'
import { eventually } from '../../support/eventually.ts'
import { openScene, type Scene } from '../../support/stage.ts'
import { Host, type Told } from './host.ts'
import { Ledger } from './ledger.ts'
import { lookAt, Watch } from './look.ts'
import type { Ordered } from './model.ts'
import type { CancelOptions, Operation, Start } from './operations.ts'
import { verdict, wholeOf } from './verdict.ts'

export const settings = { ttl: 2_500, maxWaiters: 12 }
const hosts = 4
const sessions = 30
/** Operations between two looks from outside. */
const batch = 25
/** A run is named by its number among so many of the latest. */
const latest = 60
/** Everything that is under way is over by then: a ttl, a takeover, and a machine that others use as well. */
const bound = 45_000

export interface Played {
  readonly faults: readonly string[]
  readonly figures: Readonly<Record<string, number>>
}

/** Plays a game with real processes on a state of its own, and says what broke a promise. */
export async function play(operations: readonly Operation[]): Promise<Played> {
  const { scene, close } = openScene()
  const game = new Game(scene)
  try {
    await game.begin()
    await game.play(operations)
    await game.end()
  } catch (error) {
    game.faults.push(`the game broke off: ${(error as Error).stack}`, ...(await game.unfinished()))
  } finally {
    await game.observer?.close()
    game.faults.push(...(await close()).map((left) => `left alive: ${left}`))
  }
  return { faults: game.faults, figures: game.figures() }
}

function sessionAt(index: number): string {
  return `s${index % sessions}`
}

class Game {
  readonly #ledger = new Ledger()
  readonly #scene: Scene
  readonly #hosts: Host[] = []
  readonly #all: Host[] = []
  readonly #cancelledSessions = new Set<string>()
  readonly #watch = new Watch()
  #synced = 0
  #takeovers = 0
  observer: Observer | null = null

  constructor(scene: Scene) {
    this.#scene = scene
  }

  get faults(): string[] {
    return this.#ledger.faults
  }

  async begin(): Promise<void> {
    for (let index = 0; index < hosts; index++) this.#hosts.push(this.#newHost())
    await Promise.all(this.#hosts.map((host) => host.open))
    this.observer = await openObserver({ state: this.#scene.state })
  }

  async play(operations: readonly Operation[]): Promise<void> {
    for (let at = 0; at < operations.length; at += batch) {
      for (const operation of operations.slice(at, at + batch)) this.#do(operation)
      await this.#serve()
      await this.#look()
      if (this.faults.length > 0) return
    }
  }

  /** All are continued, everything ends, and then each session has to work. */
  async end(): Promise<void> {
    await Promise.all(this.#all.map((host) => host.continued))
    await Promise.all(this.#hosts.map((host) => host.open))
    // One that was told to close while it still opened takes all its orders after that.
    await Promise.all(this.#all.filter((host) => !this.#hosts.includes(host)).map((host) => host.exited))
    await this.#serve()
    for (const ordered of this.#ledger.ordered) {
      const { script } = ordered.start
      this.#finish(ordered, 'returns')
      if (script.tool !== null && script.tool !== 'true') this.#cancel(ordered, ordered.host, {})
    }
    // A late cancel of a session, or a late run that interrupts, would end the run that is to show that it works.
    await eventually(() => this.#ledger.asked.every(({ answer, host }) => answer !== null || !host.serves), {
      within: bound,
    })
    await eventually(() => this.#areAllStored(), { within: bound })
    const last = this.#sessions().map((session, index) => this.#lastRun(session, index))
    await eventually(() => last.every(({ outcome }) => outcome !== null), { within: bound })
    for (const { key, session, outcome } of last)
      if (outcome?.state !== 'succeeded')
        this.faults.push(`${session} does not work: ${key} ended as ${outcome?.cause}`)
    await eventually(async () => (await this.#observed().runs({ state: 'live' })).length === 0, {
      within: bound,
    })
    for (const host of this.#hosts) host.order({ order: 'close', within: 5_000 })
    for (const host of this.#hosts) {
      const { code, stderr } = await host.exited
      if (code !== 0 || stderr !== '') this.faults.push(`a host ended with ${code}: ${stderr}`)
    }
    await this.#look()
    const { runs, transcripts } = await wholeOf(this.#observed(), this.#sessions())
    this.#takeovers = runs.filter(({ outcome }) => outcome?.cause === 'lost').length
    const { ttl } = settings
    const { ordered, asked } = this.#ledger
    const cancelledSessions = this.#cancelledSessions
    this.faults.push(...verdict({ ordered, asked, cancelledSessions, runs, transcripts, ttl }))
  }

  async #areAllStored(): Promise<boolean> {
    const runs = await this.#observed().runs({ limit: 10_000 })
    const stored = new Set(runs.map(({ request }) => request))
    return this.#ledger.ordered.every(
      ({ key, host, refused, outcome }) =>
        !host.serves || refused || outcome !== null || stored.has(String(key)),
    )
  }

  async unfinished(): Promise<string[]> {
    const live = await this.#observed().runs({ state: 'live' })
    return live.map(
      (run) => `open: ${JSON.stringify([run, this.#ledger.ordered[Number(run.request)]?.start])}`,
    )
  }

  figures(): Record<string, number> {
    const outcomes = this.#ledger.ordered.flatMap(({ outcome }) => (outcome === null ? [] : [outcome]))
    const causes: Record<string, number> = {}
    for (const { cause } of outcomes) causes[cause] = (causes[cause] ?? 0) + 1
    return {
      runs: this.#ledger.ordered.length,
      lostInAll: this.#takeovers,
      hosts: this.#all.length,
      ...causes,
    }
  }

  #do(operation: Operation): void {
    switch (operation.do) {
      case 'start':
        this.#start(this.#host(operation.host), sessionAt(operation.session), operation.start)
        break
      case 'finish':
        this.#finish(this.#run(operation.run), operation.how)
        break
      case 'cancel':
        this.#cancel(this.#run(operation.run), this.#host(operation.host), operation.options)
        break
      case 'cancelSession':
        this.#cancelSession(sessionAt(operation.session), this.#host(operation.host), operation.options)
        break
      case 'stop':
        this.#host(operation.host).stop(operation.ttls)
        break
      default:
        this.#replace(this.#host(operation.host), operation.do)
    }
  }

  #start(host: Host, session: string, start: Start): void {
    const parent = start.parent === null ? undefined : this.#run(start.parent)
    if (parent?.host.serves) this.#ledger.start(parent.host, session, start, parent)
    else this.#ledger.start(host, session, start)
  }

  #finish(ordered: Ordered | undefined, how: 'returns' | 'throws'): void {
    if (ordered?.host.serves) this.#ledger.finish(ordered, how)
  }

  #cancel(ordered: Ordered | undefined, host: Host, options: CancelOptions): void {
    if (ordered === undefined || ordered.run === null) return
    ordered.cancelled = true
    this.#ledger.cancel(host, ordered.run, options)
  }

  #cancelSession(session: string, host: Host, options: CancelOptions): void {
    this.#cancelledSessions.add(session)
    this.#ledger.cancel(host, { session }, options)
  }

  /** Each host is followed by another, whichever way it goes. */
  #replace(host: Host, how: 'kill' | 'close'): void {
    if (how === 'kill') host.kill()
    else host.close(2_000)
    this.#hosts[this.#hosts.indexOf(host)] = this.#newHost()
  }

  #newHost(): Host {
    const host = new Host(this.#scene, settings, (told) => this.#hear(told))
    this.#all.push(host)
    return host
  }

  #host(index: number): Host {
    return this.#hosts[index % this.#hosts.length] as Host
  }

  #run(index: number): Ordered | undefined {
    const from = Math.max(0, this.#ledger.ordered.length - latest)
    return this.#ledger.ordered[from + (index % Math.max(1, this.#ledger.ordered.length - from))]
  }

  /** Until those that run have taken their orders: that, and no clock, is the game's pace. */
  async #serve(): Promise<void> {
    const awaited = new Set<number>()
    for (const host of this.#hosts) {
      if (host.stopped) continue
      const id = ++this.#synced
      awaited.add(id)
      host.order({ order: 'sync', id })
      this.#pending.set(id, host)
    }
    await eventually(
      () => [...awaited].every((id) => !this.#pending.has(id) || this.#pending.get(id)?.stopped),
      { within: bound, every: 5 },
    )
  }

  readonly #pending = new Map<number, Host>()

  #hear(told: Told): void {
    if (told.event === 'synced') this.#pending.delete(told.id)
    this.#ledger.hear(told)
  }

  async #look(): Promise<void> {
    this.faults.push(...this.#watch.faultsOf(await lookAt(this.#observed(), this.#sessions())))
  }

  #observed(): Observer {
    if (this.observer === null) throw new Error('the game has not begun')
    return this.observer
  }

  #sessions(): string[] {
    return Array.from({ length: sessions }, (_, index) => sessionAt(index))
  }

  #lastRun(session: string, index: number): Ordered {
    const script = { entries: 1, tool: null, awaitsTool: false, finally: 'returns' } as const
    return this.#ledger.start(this.#host(index), session, { script, spec: {}, parent: null })
  }
}
