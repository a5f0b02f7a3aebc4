import * as fc from 'fast-check'

/**
 * What may be done to a few hosts that share a state. Hosts, sessions and runs are named by numbers that are taken
 * modulo what there is, so that any part of a game is a game: that is how a failing one is made shorter.
 */
export type Operation =
  | { readonly do: 'start'; readonly host: number; readonly session: number; readonly start: Start }
  | { readonly do: 'finish'; readonly run: number; readonly how: 'returns' | 'throws' }
  | { readonly do: 'cancel'; readonly host: number; readonly run: number; readonly options: CancelOptions }
  | {
      readonly do: 'cancelSession'
      readonly host: number
      readonly session: number
      readonly options: CancelOptions
    }
  | { readonly do: 'kill'; readonly host: number }
  /** For so many ttls; then it is continued. */
  | { readonly do: 'stop'; readonly host: number; readonly ttls: number }
  | { readonly do: 'close'; readonly host: number }

export interface Start {
  readonly script: Script
  readonly spec: Spec
  /** Of which earlier run it is a subagent. */
  readonly parent: number | null
}

/** What the callback does. */
export interface Script {
  readonly entries: number
  /** A line of bash. */
  readonly tool: string | null
  readonly awaitsTool: boolean
  /** `waits`: until it is told to finish, or its signal aborts; `hangs`: until its run has ended without it. */
  readonly finally: 'returns' | 'throws' | 'waits' | 'hangs'
}

export interface Spec {
  readonly ifBusy?: 'refuse' | 'interrupt'
  readonly wait?: number
  readonly priority?: 'background'
  readonly timeout?: number
}

export interface CancelOptions {
  readonly grace?: number
  readonly force?: boolean
}

const often = <T>(weight: number, value: T) => ({ weight, arbitrary: fc.constant(value) })

const script: fc.Arbitrary<Script> = fc.record({
  entries: fc.nat(3),
  tool: fc.oneof(
    often(80, null),
    often(6, 'true'),
    often(6, 'sleep 600'),
    often(3, 'setsid sleep 600 & sleep 600'),
    often(3, 'trap "" TERM; sleep 600 & wait; sleep 600'),
  ),
  awaitsTool: fc.boolean(),
  finally: fc.oneof(often(4, 'returns'), often(2, 'throws'), often(8, 'waits'), often(1, 'hangs')),
}) as fc.Arbitrary<Script>

const spec: fc.Arbitrary<Spec> = fc.oneof(
  often<Spec>(60, {}),
  often<Spec>(12, { priority: 'background' }),
  often<Spec>(10, { ifBusy: 'refuse' }),
  often<Spec>(6, { ifBusy: 'interrupt' }),
  often<Spec>(6, { wait: 300 }),
  often<Spec>(6, { timeout: 200 }),
)

const options: fc.Arbitrary<CancelOptions> = fc.oneof(
  often<CancelOptions>(6, {}),
  often<CancelOptions>(3, { grace: 0 }),
  often<CancelOptions>(2, { force: true }),
  often<CancelOptions>(1, { force: true, grace: 0 }),
)

const host = fc.nat(3)
const session = fc.nat(29)
const run = fc.nat(999)

const start: fc.Arbitrary<Start> = fc.record({
  script,
  spec,
  parent: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: run }),
})

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 500, arbitrary: fc.record({ do: fc.constant('start'), host, session, start }) },
  {
    weight: 260,
    arbitrary: fc.record({ do: fc.constant('finish'), run, how: fc.constantFrom('returns', 'throws') }),
  },
  { weight: 130, arbitrary: fc.record({ do: fc.constant('cancel'), host, run, options }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('cancelSession'), host, session, options }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('kill'), host }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('stop'), host, ttls: fc.constantFrom(0.1, 0.3, 1.5) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('close'), host }) },
) as fc.Arbitrary<Operation>

/** The game that a seed stands for. */
export function gameOf(seed: number, count: number): Operation[] {
  const games = fc.array(operation, { minLength: count, maxLength: count })
  return fc.sample(games, { seed, numRuns: 1 })[0] ?? []
}
