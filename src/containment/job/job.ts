import { CoppiceError } from '../../errors.js'
import { settlesWithin } from '../../timers.js'
import type { Containment, LaunchRequest, Tree } from '../contract.js'
import type { Remains } from '../group/sweep.js'
import { refuseLimits, withOwnerLimits } from '../limits.js'
import { isRunWithin } from '../processes/cookie.js'
import { processTable } from '../processes/processes.js'
import { u64 } from '../protocol/frames.js'
import { probeHelper } from '../protocol/probe.js'
import { fieldOf, flag, type Lease, launchBody, launchField } from '../protocol/request.js'
import { commandLineOf } from './command-line.js'
import { JobHelper } from './native.js'
import { endJobRemains } from './remains.js'
import { JobTree } from './tree.js'

export interface JobOptions {
  /** Path of coppice-job.exe. */
  readonly helper: string
  /** A launch that hangs is given up after this many milliseconds. 30 s. */
  readonly launchBound?: number
}

/**
 * Windows' containment: each tree in a job object that nothing of it can leave and that ends with its helper. Rejects
 * with `launch_failed` where it does not work here.
 */
export async function openJob({ helper, launchBound = 30_000 }: JobOptions): Promise<Containment> {
  const table = await processTable()
  const trees = new Set<JobTree>()
  const endRemains = (remains: Remains) => endJobRemains(remains, table, helper)
  let lease: Lease | null = null
  let isClosed = false

  const job: Containment = {
    kind: 'job',
    async launch(asked: LaunchRequest): Promise<Tree> {
      const request = withOwnerLimits(asked, [])
      refuseLimits(request, ['pids', 'memory', 'cpus'], job.kind)
      const { program, args, verbatim } = await commandLineOf(request)
      const body = launchBody({ ...request, command: program, args }, process.env, lease, null, [
        fieldOf(launchField.verbatim, flag(verbatim)),
        fieldOf(launchField.mostCpus, u64(request.limits.cpus * 1000)),
      ])
      if (isClosed) throw closed()
      const started = await JobHelper.start(helper, request)
      const tree = new JobTree(request, started, endRemains)
      trees.add(tree)
      tree.emptied.then(() => trees.delete(tree))
      tree.launched.catch(() => trees.delete(tree))
      started.launch(body)
      if (lease !== null) started.renew(lease.until)
      const kill = () => tree.kill()
      if (request.signal?.aborted) kill()
      request.signal?.addEventListener('abort', kill)
      const isLaunched = await settlesWithin(launchBound, tree.launched)
      request.signal?.removeEventListener('abort', kill)
      if (!isLaunched) {
        started.letGo()
        tree.abandon()
        throw new CoppiceError('launch_failed', `launching ${request.command} takes too long`, {
          path: request.command,
        })
      }
      await tree.launched
      return tree
    },
    sweep: (target) => endRemains({ ...target, claims: ({ run }) => isRunWithin(target.run, run) }),
    renew(until, ttl) {
      lease = { until, ttl }
      for (const tree of trees) tree.renew(until)
    },
    async close() {
      isClosed = true
    },
  }
  await probeHelper(job, helper)
  return job
}

function closed(): CoppiceError {
  return new CoppiceError('supervisor_closed', 'the containment is closed')
}
