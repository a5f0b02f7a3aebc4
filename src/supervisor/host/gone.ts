/**
 * Supervisors of this process that were closed, or whose keeper died. Whatever they could not end is still theirs in
 * the store, and to everybody else their owner lives, since this process does. The next supervisor that this process
 * opens is told, and recovers it.
 */
const gone = new Set<string>()

export function supervisorGone(supervisor: string): void {
  gone.add(supervisor)
}

export function goneSupervisors(): readonly string[] {
  return [...gone]
}
