import type { Outcome } from '../../runs/outcome.js'
import type { Delivered, Existing } from '../../store/admission-contract.js'
import type { StoredRun } from '../../store/records.js'
import type { StoredRequest } from '../../store/request-contract.js'
import type { Begun, Follows } from '../calls.js'
import type { Keeper } from './keeper.js'
import { recoverIfGone } from './recovery.js'
import type { SupervisedRun } from './run.js'
import { outcomeOfOthers } from './run-of-others.js'

/**
 * A request that another run has already, or that was handed to one. The run that was asked for never was: to its caller it
 * ends as that of its request does.
 */
export function follow(keeper: Keeper, run: SupervisedRun, followed: Delivered | Existing): Follows {
  keeper.forget(run)
  run.markStored()
  const { id, outcome, supervisor } = followed.run
  const isMessage = followed.state === 'delivered'
  if (isMessage) tellOfMessage(keeper, id, supervisor.socket)
  // In a later turn: the answer comes before the end.
  setImmediate(() => {
    endOfRequest(keeper, run, followed.run, isMessage).then(
      (outcome) => keeper.send({ type: 'ended', run: run.id, outcome }),
      (error) => {
        keeper.log.error({ run: run.id, err: error }, 'could not follow a request')
        const message = `what became of its request could not be read: ${error.message}`
        keeper.send({ type: 'ended', run: run.id, outcome: leftOutcome(run, { run: id, message }) })
      },
    )
  })
  return { follows: id, as: isMessage ? 'message' : 'run', hasEnded: outcome !== null }
}

/** What the host does not know of its request: a payload that it brought itself does not cross again. */
export function toldFacts({ facts, request }: SupervisedRun): Begun['request'] {
  if (facts === null) return null
  const isBrought = request.request?.payload === facts.payload
  return { payload: isBrought ? null : facts.payload, tries: facts.tries }
}

function tellOfMessage(keeper: Keeper, run: string, socket: string | null): void {
  if (keeper.runs.has(run)) keeper.send({ type: 'message', run })
  else if (socket !== null) keeper.tellNews(socket, run)
}

async function endOfRequest(
  keeper: Keeper,
  asked: SupervisedRun,
  first: StoredRun,
  isMessage: boolean,
): Promise<Outcome> {
  const { session, request } = asked.request
  for (let run = first; ; ) {
    const outcome = await endOf(keeper, run)
    if (!isMessage || request === null) return outcome
    const now: StoredRequest | null = await keeper.store.request(session, request.id)
    if (now === null) return outcome
    if (now.state === 'pending') {
      const message = `run ${outcome.run} ended as ${outcome.state} and left request ${request.id}: it is pending`
      return leftOutcome(asked, { run: outcome.run, message })
    }
    if (now.run.outcome !== null) return now.run.outcome
    // It is the next run's.
    run = now.run
  }
}

/** Resolves to true once a run has ended as lost that nobody runs any more: its supervisor is dead, or it is taken over. */
export async function endIfLost(keeper: Keeper, run: StoredRun): Promise<boolean> {
  if (run.outcome !== null) return false
  if (run.stop?.cause !== 'lost') return recoverIfGone(keeper, run)
  await endOf(keeper, run)
  return true
}

/** Of our own runs we hear at once; of others, by their supervisor's socket, or by looking. */
async function endOf(keeper: Keeper, run: StoredRun): Promise<Outcome> {
  if (run.outcome !== null) return run.outcome
  return (await keeper.endOf(run.id)) ?? outcomeOfOthers(keeper, (await keeper.store.run(run.id)) ?? run)
}

function leftOutcome(asked: SupervisedRun, { run, message }: { run: string; message: string }): Outcome {
  return {
    run,
    session: asked.request.session,
    parent: null,
    request: asked.request.request?.id ?? null,
    fence: null,
    state: 'lost',
    cause: 'lost',
    message,
    forced: false,
    callback: 'settled',
    trees: 0,
    tree: null,
    startedAt: null,
    endedAt: new Date().toISOString(),
    waitedMs: asked.ageMs,
    durationMs: 0,
  }
}
