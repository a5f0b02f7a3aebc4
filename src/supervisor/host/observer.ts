import type { RunFilter, TranscriptItem, TranscriptRange } from '../../store/looking-contract.js'
import type { RunDoing, TreeProcess } from '../doing.js'
import type { HealthFacts } from '../health.js'
import { bareKeeper } from './bare-keeper.js'
import { KeeperLink } from './link.js'
import { type PendingFilter, type PendingRequests, pendingRequests } from './pending.js'
import { type StateOptions, storeSettings } from './state.js'
import { type TimelineItem, timelineOf } from './timeline.js'
import {
  type BreakerView,
  type RunView,
  type SessionView,
  type SupervisorView,
  type TreeView,
  viewBreaker,
  viewRun,
  viewSession,
  viewSupervisor,
  viewTree,
} from './views.js'
import type { WhyView } from './why-report.js'
import { viewWhy } from './why-view.js'

/** What can be seen of a store: the runs, sessions and transcripts of every process that shares it. */
export class Observer {
  protected readonly link: KeeperLink

  /** What messages call the state. */
  protected readonly location: string

  constructor(link: KeeperLink, location: string) {
    this.link = link
    this.location = location
  }

  /** The newest first. */
  async runs(filter: RunFilter = {}): Promise<RunView[]> {
    return (await this.link.call('find', filter)).map(viewRun)
  }

  /** One run; null where the store has none of that id. */
  async show(run: string): Promise<RunView | null> {
    const found = await this.link.call('look', { run })
    return found && viewRun(found)
  }

  /** The trees of a run, in the order of their launch. */
  async trees(run: string): Promise<TreeView[]> {
    return (await this.link.call('trees', { run })).map(viewTree)
  }

  /** What happened to a run, in order of time; null where the store has none of that id. */
  async timeline(run: string): Promise<TimelineItem[] | null> {
    const stored = await this.link.call('look', { run })
    if (stored === null) return null
    const [trees, marks] = await Promise.all([this.trees(run), this.link.call('marks', { run })])
    const { stoppingAt } = stored
    return timelineOf({
      run: viewRun(stored),
      stoppingAt: stoppingAt === null ? null : new Date(stoppingAt).toISOString(),
      trees,
      ...marks,
    })
  }

  /** The processes of the trees that run, of these runs; none of those that are on another machine. */
  processes(runs: readonly string[]): Promise<TreeProcess[]> {
    return this.link.call('processes', { runs })
  }

  /** What a run is doing, as its own keeper says, also while its host is blocked; null where nobody says it. */
  doing(run: string): Promise<RunDoing | null> {
    return this.link.call('doing', { run })
  }

  /** What `judge` makes a report of, in a bounded time. */
  healthFacts(): Promise<HealthFacts> {
    return this.link.call('health', undefined)
  }

  /** Why a session is not free: also where the event loop of its holder's gateway is blocked, or its process is gone. */
  async why(session: string): Promise<WhyView> {
    return viewWhy(session, this.location, await this.link.call('why', { session }))
  }

  async sessions(): Promise<SessionView[]> {
    return (await this.link.call('sessions', undefined)).map(viewSession)
  }

  /** Every supervisor that has the store open, or died with it open. */
  async supervisors(): Promise<SupervisorView[]> {
    return (await this.link.call('supervisors', undefined)).map(viewSupervisor)
  }

  /** What is remembered of a session's failures; null where there is nothing. */
  async breaker(session: string): Promise<BreakerView | null> {
    return viewBreaker(await this.link.call('breaker', { session }))
  }

  /** The session's entries and endings, the oldest first. */
  transcript(session: string, range: TranscriptRange = {}): Promise<TranscriptItem[]> {
    return this.link.call('transcript', { session, range })
  }

  /**
   * Requests that no run has and that one is to have, in the order in which they came: a page of them where it is awaited,
   * all where it is iterated.
   */
  pending(filter: PendingFilter = {}): PendingRequests {
    return pendingRequests(filter, (ask) => this.link.call('pending', ask))
  }

  async close(): Promise<void> {
    await this.link.close({ drain: 0, within: 0 })
  }
}

/** Opens a store to look at it: nothing is created, recovered or written. Rejects where there is none. */
export async function openObserver(options: StateOptions): Promise<Observer> {
  const store = { ...storeSettings(options), observe: true }
  return new Observer(
    await KeeperLink.open({
      ...bareKeeper,
      store,
      containment: 'group',
    }),
    store.location,
  )
}
