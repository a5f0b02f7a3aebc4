import { type Ending, openSupervisor, type Supervisor } from 'coppice'

/** Who tells endings here, and whom each is told to. */
export class Gateway implements AsyncDisposable {
  readonly supervisor: Supervisor
  readonly #told: Map<string, () => void>
  /** As its server would keep the process: an ending that waits to be told does not. */
  readonly #alive = setInterval(() => {}, 60_000)
  #messages = 0

  static async open(state: string): Promise<Gateway> {
    const told = new Map<string, () => void>()
    const onEnding = ({ request }: Ending) => {
      if (request !== null) told.get(request.id)?.()
    }
    return new Gateway(await openSupervisor({ state, onEnding }), told)
  }

  private constructor(supervisor: Supervisor, told: Map<string, () => void>) {
    this.supervisor = supervisor
    this.#told = told
  }

  /** A run without a request, whose end nobody is told. Milliseconds until its result. */
  async plain(session: string): Promise<number> {
    const begun = performance.now()
    await this.supervisor.run({ session }, () => {})
    return performance.now() - begun
  }

  /** A message: a run that is accepted with its request, and whose ending is told. Milliseconds until its result. */
  async message(session: string): Promise<number> {
    const begun = performance.now()
    await this.supervisor.run({ session, request: this.#next() }, () => {})
    return performance.now() - begun
  }

  /** The same, and on to where its ending has been told: what a client waits for. */
  async toldMessage(session: string): Promise<number> {
    const request = this.#next()
    const begun = performance.now()
    const told = new Promise<void>((resolve) => this.#told.set(request.id, resolve))
    await this.supervisor.run({ session, request }, () => {})
    await told
    this.#told.delete(request.id)
    return performance.now() - begun
  }

  #next() {
    return { id: `message-${++this.#messages}`, payload: { text: 'please have a look at the tests' } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervisor.close({ drain: '10s' })
    clearInterval(this.#alive)
  }
}

export interface Round {
  readonly perSecond: number
  /** Of each run, in milliseconds. */
  readonly latencies: readonly number[]
}

/** Runs one after another in each of some sessions, all sessions at once, for so many milliseconds. */
export async function round(
  sessions: number,
  ms: number,
  work: (session: string) => Promise<number>,
): Promise<Round> {
  const latencies: number[] = []
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: sessions }, async (_, at) => {
      while (performance.now() - begun < ms) latencies.push(await work(`agent:${sessions}:${at}`))
    }),
  )
  return { perSecond: (latencies.length / (performance.now() - begun)) * 1000, latencies }
}
