import { hostname } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { openContainment } from '../../containment/open.js'
import { self } from '../../containment/processes/processes.js'
import { CoppiceError, type ErrorMessage, isCoppiceError, toErrorMessage } from '../../errors.js'
import { newIdentifier } from '../../identifiers.js'
import { openStore } from '../../store/open.js'
import type { ThrownRecord } from '../../store/records.js'
import type { Call } from '../calls.js'
import type { HostThread, KeeperSettings } from '../keeper-settings.js'
import type { SendToHost, ToKeeper } from '../messages.js'
import { handlers } from './calls.js'
import { hasten } from './closing.js'
import { endRun } from './ending.js'
import { HostLog, tee } from './host-log.js'
import { join } from './joining.js'
import { Keeper } from './keeper.js'
import { openLog } from './log.js'
import { News } from './news.js'
import { keepPruning } from './retention.js'
import type { SupervisedRun } from './run.js'
import { StoppedWriters } from './stopped-writer.js'
import { Teller } from './teller.js'
import { endTree } from './tree.js'

/** The keeper's thread: opens what it needs, then does what the host's messages say. */

const port = parentPort
if (port === null) throw new Error('the keeper runs in a worker thread')
const send: SendToHost = (message, transfer) => port.postMessage(message, transfer)

const settings = workerData as KeeperSettings & HostThread
const id = newIdentifier('s')
const hostLog = settings.hostLog === null ? null : new HostLog(id, settings.hostLog, send)

open(settings, id, hostLog, send).then(
  (keeper) => {
    port.on('message', (message: ToKeeper) => receive(keeper, hostLog, message))
    send({ type: 'open', supervisor: keeper.id })
  },
  (error) => send({ type: 'openFailed', error: messageOf(error) }),
)

async function open(
  {
    store: settings,
    containment: kind,
    logLevel,
    loopTimeout,
    listened,
    budget,
    subagents,
    hostThread,
    maxTries,
    telling,
    keep,
  }: KeeperSettings & HostThread,
  id: string,
  hostLog: HostLog | null,
  send: SendToHost,
): Promise<Keeper> {
  const { log: own, close: closeLog } = await openLog(logLevel)
  const log = hostLog === null ? own : tee(logLevel === 'silent' ? [hostLog] : [own, hostLog])
  const news = new News(log, hostLog !== null || logLevel !== 'silent', send)
  news.listened(listened)
  // A bug in one run's ending must not end the supervision of all the others.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'a rejection that nobody handled'))
  // Whoever only looks launches nothing, and ends nothing that others left.
  const wanted = settings?.observe ? 'group' : kind
  const containment = await openContainment(wanted, (why) => log.warn({}, why), { hostThread })
  const identity = await self()
  const host = hostname()
  const limits = { loopTimeout, budget, subagents, maxTries, keep }
  const parts = { id, host, identity, containment, log, news, closeLog, send, ...limits }
  if (settings === null) return watching(new Keeper({ ...parts, store: null }))
  const writers = new StoppedWriters(identity, log)
  const store = await openStore(settings.location, {
    create: !settings.observe,
    onLocked: () => writers.letFinish(store),
    onTrouble: (error) => news.store(store.location, error),
  })
  const keeper = new Keeper({ ...parts, store })
  for (const supervisor of settings.gone) keeper.bury(supervisor)
  if (settings.observe) return keeper
  if (telling !== null) keeper.teller = new Teller(keeper, telling)
  await join(keeper, settings.ttl, settings.runtimeDir)
  keepPruning(keeper)
  return watching(keeper)
}

function watching(keeper: Keeper): Keeper {
  keeper.hostLoop.start()
  keeper.ownDelay.start()
  keeper.memory.start()
  return keeper
}

function receive(keeper: Keeper, hostLog: HostLog | null, message: ToKeeper): void {
  switch (message.type) {
    case 'call':
      answer(keeper, message.id, message.call)
      break
    case 'settled': {
      const run = keeper.runs.get(message.run)
      if (run === undefined) keeper.settledLate()
      else {
        run.through = message.through
        settled(keeper, run, message.error)
      }
      break
    }
    case 'stdin':
      keeper.trees.get(message.tree)?.input(message.chunk)
      break
    case 'credit':
      keeper.trees.get(message.tree)?.credit(message.stream, message.bytes)
      break
    case 'opened':
      keeper.trees.get(message.tree)?.opened()
      break
    case 'hasten':
      hasten(keeper, message.haste)
      break
    case 'listen':
      keeper.news.listened(message.names)
      break
    case 'logged':
      hostLog?.taken(message.count)
      break
    case 'alive':
      keeper.hostTimes = message.loop
      keeper.hostLoop.answered(message.idles)
      break
    case 'label': {
      const run = keeper.runs.get(message.run)
      if (run !== undefined) run.label = message.label
      break
    }
    case 'still':
      keeper.stillness.heard(message.of, message.still)
      keeper.runs.get(message.of)?.stallWatch?.heard(message.still)
      keeper.trees.get(message.of)?.heard(message.still)
      break
    case 'told':
      keeper.teller?.told(message.ending, message.error)
      break
    case 'cancelTree': {
      keeper.launches.get(message.tree)?.(message.grace)
      const tree = keeper.trees.get(message.tree)
      if (tree === undefined) break
      const { bounds } = tree.request
      void endTree(tree, message.ended, message.grace === null ? bounds : { ...bounds, grace: message.grace })
      break
    }
  }
}

/** The callback returned or threw: the ordinary cause of an end, and no news where the run is ending already. */
function settled(keeper: Keeper, run: SupervisedRun, error: ThrownRecord | null): void {
  run.thrown = error
  run.markSettled()
  if (run.ending === null) {
    void endRun(keeper, run, {
      cause: error === null ? 'returned' : 'threw',
      message: error?.message ?? null,
      grace: null,
    })
  }
}

async function answer(keeper: Keeper, id: number, call: Call): Promise<void> {
  try {
    const handler = handlers[call.name] as (keeper: Keeper, ask: unknown) => Promise<unknown>
    send({ type: 'answer', id, value: await handler(keeper, call.ask) })
  } catch (error) {
    if (!isCoppiceError(error))
      keeper.log.error({ call: call.name, err: error }, 'a call failed unexpectedly')
    send({ type: 'failure', id, error: messageOf(error) })
  }
}

/** What is no CoppiceError here is a bug of the keeper's; it is told as what it broke. */
function messageOf(error: unknown): ErrorMessage {
  if (isCoppiceError(error)) return toErrorMessage(error)
  const text = error instanceof Error ? error.message : String(error)
  return toErrorMessage(new CoppiceError('run_lost', `the keeper failed: ${text}`, { cause: error }))
}
