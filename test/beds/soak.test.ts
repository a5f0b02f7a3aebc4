import { openSupervisor } from 'coppice'
import { expect } from 'vitest'
import { openObserver } from '#src/supervisor/host/observer.js'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'
import { Host } from './model/host.ts'
import { Ledger } from './model/ledger.ts'
import type { Start } from './model/operations.ts'
import { verdict, wholeOf } from './model/verdict.ts'

/**
 * P1, P2, P5, P6, P8, P9 under load: two gateways, 200 sessions, and every 2 s one of them is killed and another comes.
 * `npm run test:soak -- --seconds N` goes on for longer.
 */
const seconds = Number(process.env.SOAK_SECONDS ?? 60)
const settings = { ttl: 5_000, maxWaiters: 1_000 }
const sessions = Array.from({ length: 200 }, (_, index) => `s${index}`)
const killEvery = 2_000
/** Runs that a gateway is given at a time, how often, and how many it may have under way. */
const load = { every: 50, runs: 5, most: 50 }

test(`two gateways for ${seconds} s`, { timeout: (seconds + 600) * 1000 }, async ({ scene }) => {
  const soak = new Soak(scene)
  await soak.run(seconds * 1000)
  const works = await soak.everySessionWorks()
  expect(works).toEqual([])
  expect((await soak.faults()).slice(0, 10)).toEqual([])
  console.log(`${seconds} s: ${JSON.stringify(soak.figures)}`)
})

class Soak {
  readonly #scene: Scene
  readonly #ledger = new Ledger()
  readonly #gateways: Host[] = []
  figures: Record<string, number> = {}
  #kills = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async run(time: number): Promise<void> {
    this.#gateways.push(this.#newGateway(), this.#newGateway())
    await Promise.all(this.#gateways.map(({ open }) => open))
    const loading = setInterval(() => {
      for (const gateway of this.#gateways) this.#give(gateway)
    }, load.every)
    const killing = setInterval(() => this.#killOne(), killEvery)
    await new Promise((resolve) => setTimeout(resolve, time))
    clearInterval(killing)
    clearInterval(loading)
  }

  /** The sessions that do not, by what is told of them. */
  async everySessionWorks(): Promise<unknown[]> {
    const supervisor = await openSupervisor({ state: this.#scene.state })
    const spec = (session: string) => ({ session, wait: 120_000, request: { id: `last ${session}` } })
    const ends = await Promise.all(
      sessions.map((session) => supervisor.start(spec(session), (run) => run.append('last')).outcome),
    )
    await supervisor.close()
    return ends.filter(({ state }) => state !== 'succeeded')
  }

  async faults(): Promise<string[]> {
    await Promise.all(this.#gateways.map(({ open }) => open))
    const { ordered, asked, faults } = this.#ledger
    await eventually(() => ordered.every(({ host, result }) => host.killed || result !== undefined), {
      within: 120_000,
    })
    for (const gateway of this.#gateways) gateway.order({ order: 'close', within: 5_000 })
    for (const gateway of this.#gateways) {
      const { code, stderr } = await gateway.exited
      if (code !== 0 || stderr !== '') faults.push(`a gateway ended with ${code}: ${stderr}`)
    }
    const observer = await openObserver({ state: this.#scene.state })
    const { runs, transcripts } = await wholeOf(observer, sessions)
    await observer.close()
    const own = runs.filter(({ request }) => !request?.startsWith('last'))
    const waits = own.flatMap(({ outcome }) => (outcome?.fence == null ? [] : [outcome.waitedMs]))
    this.figures = {
      runs: own.length,
      kills: this.#kills,
      takeovers: own.filter(({ outcome }) => outcome?.cause === 'lost').length,
      worstWaitMs: Math.max(...waits),
    }
    const whole = { ordered, asked, cancelledSessions: new Set<string>(), ttl: settings.ttl }
    return [...faults, ...verdict({ ...whole, runs: own, transcripts })]
  }

  #give(gateway: Host): void {
    const underWay = this.#ledger.ordered.filter(({ host, outcome }) => host === gateway && outcome === null)
    for (let count = underWay.length; count < Math.min(load.most, underWay.length + load.runs); count++)
      this.#ledger.start(gateway, oneOf(sessions), oneOf(starts))
  }

  #killOne(): void {
    const gateway = oneOf(this.#gateways)
    gateway.kill()
    this.#kills += 1
    this.#gateways[this.#gateways.indexOf(gateway)] = this.#newGateway()
  }

  #newGateway(): Host {
    return new Host(this.#scene, settings, (told) => this.#ledger.hear(told))
  }
}

function oneOf<T>(all: readonly T[]): T {
  return all[Math.floor(Math.random() * all.length)] as T
}

const plain: Start = {
  script: { entries: 2, tool: null, awaitsTool: false, finally: 'returns' },
  spec: {},
  parent: null,
}

/** Mostly short runs; some with a tool, and some that wait until their time is over. */
const starts: readonly Start[] = [
  ...Array.from({ length: 40 }, () => plain),
  ...Array.from({ length: 4 }, () => ({ ...plain, spec: { priority: 'background' as const } })),
  { ...plain, script: { ...plain.script, finally: 'throws' } },
  { ...plain, script: { ...plain.script, tool: 'true', awaitsTool: true } },
  { ...plain, script: { ...plain.script, tool: 'sleep 600' } },
  { ...plain, script: { ...plain.script, finally: 'waits' }, spec: { timeout: 200 } },
]
