import { CoppiceError } from '../../errors.js'
import { settlesWithin } from '../../timers.js'
import type { Containment, LaunchRequest, Tree } from '../contract.js'
import { refuseLimits, withOwnerLimits } from '../limits.js'
import { isRunWithin } from '../processes/cookie.js'
import { processTable } from '../processes/processes.js'
import type { ProcessTable } from '../processes/table.js'
import { probeHelper } from '../protocol/probe.js'
import { type Lease, launchBody } from '../protocol/request.js'
import { cgroupsOfRuns, endUnlessGuarded, leaveCgroup } from './cgroup-remains.js'
import { Cgroups } from './cgroups.js'
import { Launcher } from './launcher.js'
import { endGuardedRemains } from './remains.js'
import { GuardTree, type Here } from './tree.js'
import { Turns } from './turns.js'

export interface GuardOptions {
  /** Path of the launcher. */
  readonly helper: string
  readonly args?: readonly string[]
  /** Puts each tree into a cgroup of its own: containment `cgroup`. */
  readonly cgroups?: boolean
  /** Only to see whether it works: what dead supervisors left is not ended. */
  readonly looksOnly?: boolean
  /** A thread of this process that has the processor sooner as well: the host's, by its kernel's number. */
  readonly hostThread?: number | null
  /** A launch that hangs, in a file system that does not answer, is given up after this many milliseconds. 30 s. */
  readonly launchBound?: number
}

/**
 * Hundreds of guards that start at once take the processors from the host's own thread, and are no faster for it:
 * measured with 300 on two processors, a fourth of the delay. A launch takes a millisecond.
 */
const launchesAtOnce = 16
const longestTurn = 100
/** Milliseconds. A launcher whose trees have ended needs one or two; one that still ends some is not waited for. */
const closeBound = 500

/**
 * The containment that nothing escapes: a native guard for each tree, to which the kernel hands every descendant
 * that loses its parent. Rejects with `launch_failed` where it does not work here.
 */
export async function openGuard({
  helper,
  args: helperArgs = [],
  hostThread = null,
  cgroups: wantsCgroups = false,
  looksOnly = false,
  launchBound = 30_000,
}: GuardOptions): Promise<Containment> {
  const args = hostThread === null ? helperArgs : [...helperArgs, `--host=${hostThread}`]
  const table = await processTable()
  const here = hereOf(table)
  const cgroups = wantsCgroups ? await Cgroups.open(table, looksOnly) : null
  let launcher = await Launcher.start(helper, args)
  let starting: Promise<Launcher> | null = null
  let lease: Lease | null = null
  let isClosed = false
  const turns = new Turns(launchesAtOnce, longestTurn)

  const living = async (): Promise<Launcher> => {
    if (!launcher.isGone) return launcher
    starting ??= Launcher.start(helper, args).finally(() => {
      starting = null
    })
    launcher = await starting
    // Closed meanwhile: nobody else knows of this one.
    if (isClosed) launcher.close()
    else if (lease !== null) launcher.renew(lease.until)
    return launcher
  }

  const guard: Containment = {
    kind: cgroups === null ? 'guard' : 'cgroup',
    async launch(asked: LaunchRequest): Promise<Tree> {
      const request = withOwnerLimits(asked, cgroups?.summed ?? [])
      const endTurn = await turns.take()
      try {
        if (isClosed) throw closed()
        refuseLimits(request, cgroups?.limits ?? ['pids', 'memory'], guard.kind)
        const used = await living()
        if (isClosed) throw closed()
        const cgroup = cgroups?.make(request) ?? null
        const body = launchBody(request, used.environment, lease, cgroup)
        const tree = used.launch(body, (number) => new GuardTree(request, used, number, here, cgroup))
        // A guard that fails before it knows of its cgroup leaves it behind.
        if (cgroup !== null) tree.launched.catch(() => leaveCgroup(cgroup))
        if (!(await settlesWithin(launchBound, launchedOrKilled(tree, request)))) {
          tree.kill()
          // Else its guard would wait for somebody to read its pipes.
          tree.opened()
          await settlesWithin(request.bounds.killBound, tree.emptied)
          tree.abandon()
          throw new CoppiceError('launch_failed', `launching ${request.command} takes too long`, {
            path: request.command,
          })
        }
        await tree.launched
        return tree
      } finally {
        endTurn()
      }
    },
    async sweep(target) {
      const isOurs = (run: string | null) => isRunWithin(target.run, run)
      const report = await endGuardedRemains({ ...target, claims: ({ run }) => isOurs(run) }, table)
      // What has shaken every mark off is in its cgroup still.
      const left = cgroups === null ? [] : cgroupsOfRuns(cgroups.base, isOurs)
      const ended = await Promise.all(left.map((leaf) => endUnlessGuarded(leaf, table, target.killBound)))
      return ended.includes(false) && report.proof === 'empty' ? { ...report, proof: 'unproven' } : report
    },
    renew(until, ttl) {
      lease = { until, ttl }
      launcher.renew(until)
    },
    async close() {
      isClosed = true
      launcher.close()
      // Once this thread has ended nobody waits for it any more: it would be a zombie for as long as the host lives.
      await settlesWithin(closeBound, launcher.exited)
    },
  }
  try {
    await probeHelper(guard, helper)
  } catch (error) {
    await guard.close()
    throw error
  }
  return guard
}

async function launchedOrKilled(tree: GuardTree, { signal }: LaunchRequest): Promise<void> {
  const kill = () => tree.kill()
  if (signal?.aborted) kill()
  signal?.addEventListener('abort', kill)
  await tree.launched.finally(() => signal?.removeEventListener('abort', kill))
}

function closed(): CoppiceError {
  return new CoppiceError('supervisor_closed', 'the containment is closed')
}

function hereOf(table: ProcessTable): Here {
  const { bootId, pidNamespace } = table.self
  return { bootId, pidNamespace, endRemains: (remains) => endGuardedRemains(remains, table) }
}
