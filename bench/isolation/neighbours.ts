import type { Supervisor } from 'coppice'

/** What a session does that is no good neighbour, again and again until it is told to stop. */
export interface Neighbour {
  readonly name: string
  turn(supervisor: Supervisor, session: string): Promise<unknown>
}

const never = new Promise<never>(() => {})

/** `stormer`: a program that forks without pause for as many seconds as it is told. */
export function badNeighbours(stormer: string): readonly Neighbour[] {
  return [
    {
      name: 'a callback that never settles',
      turn: (supervisor, session) => supervisor.run({ session, timeout: '1s', grace: '100ms' }, () => never),
    },
    {
      name: 'a tool that writes 1 GB',
      turn: (supervisor, session) =>
        supervisor.run({ session }, (run) => run.exec('head', ['-c', '1G', '/dev/zero'])),
    },
    {
      name: 'a tool that forks without pause',
      turn: (supervisor, session) =>
        supervisor.run({ session, grace: '100ms' }, (run) =>
          run.exec(stormer, ['30'], { limits: { pids: 100 }, timeout: '2s' }),
        ),
    },
    {
      name: 'a callback that fails at once',
      turn: (supervisor, session) =>
        supervisor.run({ session }, () => {
          throw new Error('at once')
        }),
    },
  ]
}

/** All of them side by side, each in a session of its own, until they are stopped. */
export class Neighbourhood {
  readonly turns = new Map<string, number>()
  readonly #all: Promise<unknown>
  #goesOn = true

  constructor(supervisor: Supervisor, neighbours: readonly Neighbour[]) {
    this.#all = Promise.all(neighbours.map((neighbour) => this.#live(supervisor, neighbour)))
  }

  async #live(supervisor: Supervisor, { name, turn }: Neighbour): Promise<void> {
    while (this.#goesOn) {
      await turn(supervisor, `bad: ${name}`).catch(() => {})
      this.turns.set(name, (this.turns.get(name) ?? 0) + 1)
    }
  }

  async stop(): Promise<void> {
    this.#goesOn = false
    await this.#all
  }
}
