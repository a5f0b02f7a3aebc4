import { openObserver } from '#src/supervisor/host/observer.js'
import { eventually } from './eventually.ts'
import type { Scene } from './stage.ts'

/**
 * Resolves when a tree whose command has this in it is in the store: nobody waits for that, and it may come later than what the tree
 * writes. Whoever kills a host before that leaves nobody who would know.
 */
export async function isRecorded({ state }: Scene, command = ''): Promise<void> {
  const observer = await openObserver({ state })
  try {
    await eventually(async () => {
      const runs = await observer.runs({ state: 'live' })
      const trees = (await Promise.all(runs.map(({ run }) => observer.trees(run)))).flat()
      return trees.some((tree) => tree.command.join(' ').includes(command))
    })
  } finally {
    await observer.close()
  }
}
