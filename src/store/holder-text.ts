import type { StoredRun } from './records.js'

/** What whoever is refused is told of the run that holds its session, and of how many others wait for it. */
export function describeHolder({ id, startedAt, createdAt, supervisor }: StoredRun, others: number): string {
  const since = new Date(startedAt ?? createdAt).toISOString()
  const { host, identity } = supervisor
  return `held by run ${id} of pid ${identity.pid} on ${host} since ${since}, ${others} others wait`
}
