import { setTimeout as delay } from 'node:timers/promises'

/** Resolves with the first result that is neither falsy nor thrown; fails when there was none in time. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { within = 30_000, every = 10 }: { within?: number; every?: number } = {},
): Promise<T> {
  const until = performance.now() + within
  for (;;) {
    const { result, error } = await attempt(look)
    if (result) return result
    if (performance.now() > until) throw new Error(`not within ${within} ms: ${look}`, { cause: error })
    await delay(every)
  }
}

async function attempt<T>(look: () => T | Promise<T>): Promise<{ result?: T; error?: unknown }> {
  try {
    return { result: await look() }
  } catch (error) {
    return { error }
  }
}
