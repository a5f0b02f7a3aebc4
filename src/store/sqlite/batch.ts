/** Which requests share the next commit. */

export interface Batched {
  /** Requests of one lane keep their order; different lanes take turns. */
  readonly lane: string
  /** Renewals and endings: late ones cost a lease or hold up a session. */
  readonly urgent: boolean
  readonly bytes: number
}

/** A commit of this size takes some ten milliseconds, which is what a renewal may have to wait for it. */
const most = { requests: 512, bytes: 4 * 1024 * 1024 }

/**
 * Takes a batch out of `pending`, which stands in order of arrival: all of it, where that fits. Else urgent ones
 * first, each after what its own lane sent before it (a run's entries go before its ending), then one of each lane
 * in turn, so that a session that floods the store waits behind itself only.
 */
export function takeBatch<T extends Batched>(pending: readonly T[]): { batch: T[]; rest: T[] } {
  const taken = new Set<T>()
  let bytes = 0
  const take = (request: T): boolean => {
    if (taken.has(request)) return true
    const fits = taken.size === 0 || (taken.size < most.requests && bytes + request.bytes <= most.bytes)
    if (fits) {
      taken.add(request)
      bytes += request.bytes
    }
    return fits
  }
  for (const request of inFairOrder(pending)) if (!take(request)) break
  const batch: T[] = []
  const rest: T[] = []
  for (const request of pending) (taken.has(request) ? batch : rest).push(request)
  return { batch, rest }
}

/** Whether a queue of this size is one batch, without looking at it. */
export function isOneBatch(requests: number, bytes: number): boolean {
  return requests <= most.requests && bytes <= most.bytes
}

function* inFairOrder<T extends Batched>(pending: readonly T[]): Generator<T> {
  const lanes = new Map<string, T[]>()
  const urgentLanes = new Set<string>()
  for (const request of pending) {
    const lane = lanes.get(request.lane)
    if (lane === undefined) lanes.set(request.lane, [request])
    else lane.push(request)
    if (request.urgent) urgentLanes.add(request.lane)
  }
  for (const name of urgentLanes) {
    const lane = lanes.get(name) ?? []
    yield* lane.slice(0, lane.findLastIndex((request) => request.urgent) + 1)
  }
  for (let turn = 0; lanes.size > 0; turn++) {
    for (const [name, lane] of lanes) {
      const request = lane[turn]
      if (request === undefined) lanes.delete(name)
      else yield request
    }
  }
}
