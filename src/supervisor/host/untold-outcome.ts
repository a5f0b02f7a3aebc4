import type { Outcome } from '../../runs/outcome.js'

/** Why nobody can say more of a run that a close has left as it was. */
export const closedTooSoon = 'the supervisor was closed before its ending could be stored'

/** What can be said of a run whose store cannot be asked: that it was lost to this host, and why. */
export function untoldOutcome(
  run: { readonly id: string; readonly session: string | null; readonly fence: number },
  why: string,
): Outcome {
  return {
    run: run.id,
    session: run.session,
    parent: null,
    request: null,
    fence: run.fence === 0 ? null : run.fence,
    state: 'lost',
    cause: 'lost',
    message: why,
    forced: false,
    callback: 'left_behind',
    trees: 0,
    tree: null,
    startedAt: null,
    endedAt: new Date().toISOString(),
    waitedMs: 0,
    durationMs: 0,
  }
}
