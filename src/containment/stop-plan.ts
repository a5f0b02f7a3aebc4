/** How a tree is asked to end, before it is killed. */
export interface StopPlan {
  /**
   * `tree`: every process is signalled at once. `root`: the root first, and the rest when it has exited or at half
   * the grace: for a root that passes the signal on, whose children would get it twice.
   */
  readonly terminate: 'tree' | 'root'
  readonly signal: NodeJS.Signals
  /** Whoever holds its stdin ends that first; the signal follows when the root has exited, or at half the grace. */
  readonly endsStdin: boolean
}

export const plainStop: StopPlan = { terminate: 'tree', signal: 'SIGTERM', endsStdin: false }
