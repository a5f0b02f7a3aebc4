import { CoppiceError } from '../../errors.js'
import { after } from '../../timers.js'
import type { HealthCheckResult } from './health-report.js'

/**
 * A check of the host's own: a provider, a channel. It is well where it does not throw; a text that it returns goes into the
 * report. After a second it counts as failed, and `signal` aborts.
 */
export type HealthCheck = (context: { readonly signal: AbortSignal }) => unknown

export type HealthChecks = Readonly<Record<string, HealthCheck>>

/** Milliseconds: all run at once, and the whole answer is to come within two seconds. */
const checkBound = 1000

/** `invalid_option` names the check that is no function. */
export function parseHealthChecks(checks: unknown): HealthChecks {
  if (checks === undefined) return {}
  if (typeof checks !== 'object' || checks === null)
    throw new CoppiceError('invalid_option', 'healthChecks: must be an object of functions')
  for (const [name, check] of Object.entries(checks))
    if (typeof check !== 'function')
      throw new CoppiceError('invalid_option', `healthChecks: ${name}: ${typeof check} is no function`)
  return checks as HealthChecks
}

export async function runHealthChecks(checks: HealthChecks): Promise<Record<string, HealthCheckResult>> {
  const results = Object.entries(checks).map(async ([name, check]) => [name, await run(check)] as const)
  return Object.fromEntries(await Promise.all(results))
}

async function run(check: HealthCheck): Promise<HealthCheckResult> {
  const since = performance.now()
  const took = () => Math.round(performance.now() - since)
  const abort = new AbortController()
  const late = Promise.withResolvers<HealthCheckResult>()
  const disarm = after(checkBound, () => {
    late.resolve({ ok: false, tookMs: took(), message: `no answer within ${checkBound} ms` })
    abort.abort(new CoppiceError('invalid_option', `the check had ${checkBound} ms`))
  })
  const answer = (async () => check({ signal: abort.signal }))().then(
    (value) => ({ ok: true, tookMs: took(), message: typeof value === 'string' ? value : null }),
    (error: unknown) => ({
      ok: false,
      tookMs: took(),
      message: error instanceof Error ? error.message : String(error),
    }),
  )
  const first = await Promise.race([answer, late.promise])
  disarm()
  return first
}
