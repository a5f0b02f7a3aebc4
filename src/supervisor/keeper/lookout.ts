import type { StoredRun, SupervisorRecord } from '../../store/records.js'
import { after, untilTick } from '../../timers.js'
import { admitAgain } from './admission.js'
import { begin, loseWaiting } from './admitted.js'
import { endRun } from './ending.js'
import type { Keeper } from './keeper.js'
import { recoverOwner } from './recovery.js'
import { endedByOthers } from './refused.js'
import type { SupervisedRun } from './run.js'
import { onDeath } from './wake.js'

/**
 * Milliseconds, once and a half as many at most: the safety net, what a lost wake-up costs. Wake-ups come by socket, so that
 * in the ordinary course nothing waits for this.
 */
const lookEvery = 2000
/** After a look that failed: what it would have seen may be a cancel. */
const lookAgain = 250

/**
 * Looks at what others did to this keeper's runs: when it is told, when another supervisor dies, and now and then
 * while there are runs. One look at a time, for all runs together, so that its cost does not grow with what waits.
 */
export class Lookout {
  readonly #keeper: Keeper
  readonly #watched = new Map<string, () => void>()
  /** What the last look read: as long as nobody else writes, there is nothing else to be read. */
  #version: unknown = null
  #failedWrites = 0
  #others: readonly SupervisorRecord[] = []
  #looking = false
  #again = false
  /** Whether the last look did. */
  #failed = false
  #disarm: (() => void) | null = null

  constructor(keeper: Keeper) {
    this.#keeper = keeper
  }

  /** Something may have changed. */
  news(): void {
    this.#again = true
    if (!this.#looking) void this.#look()
  }

  /** Something may have changed about this run: whoever says so costs no look at the others. */
  newsOf(id: string): void {
    const run = this.#keeper.runs.get(id)
    if (run?.isStored) reconcile(this.#keeper, run).catch(() => this.news())
    // Others see it as soon as it is committed, and may have given it its session before we hear that it is on the disk.
    else if (run !== undefined) void run.stored.promise.then(() => this.newsOf(id))
  }

  /**
   * A run waits from now on. Only what the looks do not attend to yet is news: with a look for each that comes to a
   * queue, which reads all that wait in it, a queue would cost the square of its length.
   */
  waitsFor(holder: StoredRun | null): void {
    if (holder === null || !this.#attends(holder.supervisor.id)) this.news()
  }

  /** There is a run to look after from now on. */
  watch(): void {
    if (this.#disarm === null && !this.#looking) this.#armFor(lookEvery)
  }

  close(): void {
    this.#disarm?.()
    for (const unwatch of this.#watched.values()) unwatch()
    this.#watched.clear()
  }

  #attends(supervisor: string): boolean {
    return supervisor === this.#keeper.id || this.#others.some(({ id }) => id === supervisor)
  }

  async #look(): Promise<void> {
    this.#looking = true
    this.#disarm?.()
    this.#disarm = null
    let next = lookEvery
    while (this.#again) {
      this.#again = false
      next = await this.#lookOnce().then(
        () => {
          this.#failed = false
          return lookEvery
        },
        (error: unknown) => {
          const message = 'could not look at the store; trying again'
          this.#keeper.log[this.#failed ? 'debug' : 'warn']({ err: error }, message)
          this.#failed = true
          return lookAgain
        },
      )
    }
    this.#looking = false
    this.#armFor(next)
  }

  #armFor(delay: number): void {
    if (this.#keeper.isClosing || (this.#keeper.runs.size === 0 && this.#keeper.teller === null)) return
    const pause = delay === lookEvery ? untilTick(delay) : delay
    this.#disarm = after(pause, () => this.news())
  }

  async #lookOnce(): Promise<void> {
    const keeper = this.#keeper
    const version = await keeper.store.version()
    const { failedWrites } = keeper.news
    // What was told as not stored may be there all the same, and our own commits change no version.
    if (version !== this.#version || failedWrites !== this.#failedWrites) {
      await reconcileAll(keeper)
      const all = await keeper.store.supervisors()
      keeper.heartbeats.keepOnly(all)
      this.#others = all.filter(({ id }) => id !== keeper.id)
      this.#version = version
      this.#failedWrites = failedWrites
      keeper.teller?.look()
    }
    // Whoever tells endings tells those of the dead as well.
    if (!keeper.hasWaiting() && keeper.teller === null) return
    // Not awaited: a recovery takes as long as the trees that it ends.
    for (const other of this.#others) void this.#recover(other)
    this.#watchDeaths(this.#others)
    await admitStranded(keeper)
  }

  async #recover(other: SupervisorRecord): Promise<void> {
    try {
      // What we write ourselves changes no version.
      if (await recoverOwner(this.#keeper, other)) this.#version = null
    } catch (error) {
      this.#keeper.log.error({ from: other.id, err: error }, 'could not recover what a supervisor left')
    }
  }

  #watchDeaths(others: readonly SupervisorRecord[]): void {
    const sockets = new Set(others.flatMap(({ socket }) => (socket === null ? [] : [socket])))
    for (const [socket, unwatch] of this.#watched) {
      if (sockets.has(socket)) continue
      unwatch()
      this.#watched.delete(socket)
    }
    for (const socket of sockets) {
      if (this.#watched.has(socket)) continue
      const unwatch = onDeath(socket, {
        own: this.#keeper.wakeSocket?.path ?? null,
        onNews: (run) => this.newsOf(run),
        onEnd: () => {
          this.#watched.delete(socket)
          this.news()
        },
      })
      this.#watched.set(socket, unwatch)
    }
  }
}

/** Brings what this keeper thinks of its runs in line with what the store says. */
async function reconcileAll(keeper: Keeper): Promise<void> {
  const before = [...keeper.unfinishedRuns(), ...keeper.stoppingRuns()]
  if (before.length === 0) return
  const live = await keeper.store.runs({ supervisor: keeper.id, state: 'live' })
  const stored = new Map(live.map((run) => [run.id, run] as const))
  for (const run of before) await reconcile(keeper, run, stored.get(run.id))
}

async function reconcile(keeper: Keeper, run: SupervisedRun, seen?: StoredRun): Promise<void> {
  if (run.ending !== null && run.progress.state !== 'stopping') return
  const now = seen ?? (await keeper.store.run(run.id))
  // Somebody else wants the rest of its grace skipped.
  if (run.ending !== null && now?.outcome === null && now.stop?.grace === 0) run.hurried.resolve()
  // What has ended or begun to end meanwhile by our own hand needs nothing.
  if (now !== null && run.ending === null) apply(keeper, run, now)
}

function apply(keeper: Keeper, run: SupervisedRun, now: StoredRun): void {
  if (now.outcome !== null && run.progress.state === 'waiting') void endedByOthers(keeper, run, now)
  else if (run.progress.state === 'waiting' && now.supervisor.id !== keeper.id) loseWaiting(keeper, run)
  else if (now.outcome !== null || now.supervisor.id !== keeper.id) {
    const message = `taken over by supervisor ${now.supervisor.id}`
    // Whoever has it has told its guards already, and how much time they have.
    void endRun(keeper, run, { cause: 'lost', message, grace: now.stop?.grace ?? null })
  } else if (now.fence !== null) {
    begin(keeper, run, now.fence)
    if (now.stop !== null) void endRun(keeper, run, now.stop)
    else if (now.inbox) keeper.send({ type: 'message', run: run.id })
  }
}

/**
 * A waiter whose supervisor was asleep when its session was released has been passed over, and the session may be
 * free since. It asks again, the first of each session.
 */
async function admitStranded(keeper: Keeper): Promise<void> {
  const asked = new Set<string | null>()
  for (const id of await keeper.store.stranded(keeper.id)) {
    const run = keeper.runs.get(id)
    if (run === undefined || asked.has(run.request.session) || run.progress.state !== 'waiting') continue
    asked.add(run.request.session)
    await admitAgain(keeper, run)
  }
}
