/**
 * Wine, of many thousands of programs, fails to start one for a reason without a name; nothing was started then, and what a
 * test starts itself is not what it looks at.
 */
export function againIfUnknown<T extends object>(start: () => T): T {
  for (let tries = 0; ; tries++) {
    const last = tries === 2
    try {
      const started = start()
      if (last || !('error' in started) || !isUnknown(started.error)) return started
    } catch (error) {
      if (last || !isUnknown(error)) throw error
    }
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'UNKNOWN'
}
