import { defaultSubagents } from '../../runs/subagents.js'
import { noBudget } from '../budget.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { defaultLoopTimeout } from './loop-timeout.js'
import { withoutMessages } from './message-options.js'

/** The settings of a keeper that has no run of its host's: it says nothing, bounds nothing and forgets nothing. */
export const bareKeeper: Omit<KeeperSettings, 'store' | 'containment'> = {
  logLevel: 'silent',
  hostLog: null,
  listened: [],
  loopTimeout: defaultLoopTimeout,
  budget: noBudget,
  subagents: defaultSubagents,
  ...withoutMessages,
}
