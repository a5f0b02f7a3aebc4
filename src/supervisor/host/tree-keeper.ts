import { CoppiceError } from '../../errors.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { bareKeeper } from './bare-keeper.js'
import { KeeperLink } from './link.js'

const settings: KeeperSettings = {
  ...bareKeeper,
  store: null,
  containment: null,
}
let keeper: Promise<KeeperLink> | null = null

/** The one keeper of trees without a run in this process, opened by the first; idle, it keeps nothing alive. */
export function treeKeeper(): Promise<KeeperLink> {
  keeper ??= open()
  return keeper
}

/** A keeper that died takes its trees with it; the next command gets a new one. */
async function open(): Promise<KeeperLink> {
  try {
    const link = await KeeperLink.open(settings)
    link.onDeath = (_error, trees) => {
      keeper = null
      // Its trees have failed for their callers already; where no other keeper opens, nobody can end them.
      if (trees.length > 0) buryTrees(trees).catch(() => {})
    }
    return link
  } catch (error) {
    keeper = null
    throw error
  }
}

async function buryTrees(trees: readonly string[]): Promise<void> {
  const undertaker = await treeKeeper()
  await undertaker.call('bury', { supervisor: null, trees })
}

/** Why a tree without a run ended under its caller. */
export function treeLost(tree: string): CoppiceError {
  return new CoppiceError('run_lost', `the keeper of tree ${tree} died`)
}
