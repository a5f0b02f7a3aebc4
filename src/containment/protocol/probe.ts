import { CoppiceError } from '../../errors.js'
import type { Containment } from '../contract.js'
import { noLimits } from '../limits.js'
import { plainStop } from '../stop-plan.js'

/**
 * Launches the helper itself, which is there and does nothing, as a tree; with cgroups that is a real migration into one.
 * Rejects with `launch_failed` where that does not work here.
 */
export async function probeHelper(containment: Containment, helper: string): Promise<void> {
  const tree = await containment.launch({
    tree: 'probe',
    run: null,
    command: helper,
    args: ['--version'],
    stdio: ['ignore', 'ignore', 'ignore'],
    linger: 'stop',
    bounds: { grace: 0, killBound: 1_000, timeout: 10_000 },
    limits: noLimits,
    stop: plainStop,
  })
  const { code } = await tree.exited
  if (code !== 0)
    throw new CoppiceError('launch_failed', `the helper ${helper} does not work`, { path: helper })
}
