import { type CoppiceError, toErrorMessage } from '../../errors.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { KeeperLink } from './link.js'
import { withoutMessages } from './message-options.js'
import type { HostNews } from './news.js'
import type { HostRun } from './run.js'

/**
 * A keeper that died has left locks and trees behind, and this process, their owner, lives on, so that nobody
 * else would call them lost. A second keeper is opened for that alone: it claims the runs, ends their trees and
 * writes their endings, and closes. The supervisor stays dead: it is never restarted over what it lost track of.
 */
export async function buryKeeper(
  settings: KeeperSettings,
  supervisor: string,
  runs: readonly HostRun[],
  error: CoppiceError,
  news: HostNews,
): Promise<void> {
  const told = { coppice: toErrorMessage(error), stack: null }
  const fields = { runs: runs.length }
  const at = Date.now()
  news.receive({
    type: 'log',
    supervisor,
    level: 'error',
    at,
    fields,
    error: told,
    message: 'the keeper died',
  })
  for (const run of runs) run.lost(error)
  const undertaker = await KeeperLink.open(
    { ...settings, ...withoutMessages, listened: news.names },
    (message) => news.receive(message),
  ).catch(() => null)
  try {
    await undertaker?.call('bury', { supervisor, trees: [] })
  } catch {
    // What could not be ended now is found by the next supervisor of this store that opens after our exit.
  }
  for (const run of runs) {
    const stored = await undertaker?.call('look', { run: run.id }).catch(() => null)
    if (stored?.outcome) run.terminal(stored.outcome)
    else run.abandon(error.message)
  }
  await undertaker?.close({ drain: 0, within: Number.POSITIVE_INFINITY }).catch(() => {})
}
