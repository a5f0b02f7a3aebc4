import type { RunFilter, TranscriptItem, TranscriptRange } from '../../store/contract.js'
import { unbounded } from './budget-options.js'
import { KeeperLink } from './link.js'
import { defaultLoopTimeout } from './loop-timeout.js'
import { type StateOptions, storeSettings } from './state.js'
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

/** What can be seen of a store: the runs, sessions and transcripts of every process that shares it. */
export class Observer {
  protected readonly link: KeeperLink

  constructor(link: KeeperLink) {
    this.link = link
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

  async close(): Promise<void> {
    await this.link.close({ drain: 0, within: 0 })
  }
}

/** Opens a store to look at it: nothing is created, recovered or written. Rejects where there is none. */
export async function openObserver(options: StateOptions): Promise<Observer> {
  return new Observer(
    await KeeperLink.open({
      store: { ...storeSettings(options), observe: true },
      containment: 'group',
      logLevel: 'silent',
      hostLog: null,
      listened: [],
      loopTimeout: defaultLoopTimeout,
      ...unbounded,
    }),
  )
}
