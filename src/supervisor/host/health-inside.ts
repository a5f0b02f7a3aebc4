import { type CoppiceError, isCoppiceError } from '../../errors.js'
import { settlesWithin } from '../../timers.js'
import type { KeeperSettings } from '../keeper-settings.js'
import { type HealthChecks, runHealthChecks } from './health-checks.js'
import { judge, nothingKnown, reasonOf, worst } from './health-judge.js'
import type { HealthReport } from './health-report.js'
import type { KeeperLink } from './link.js'

/** Milliseconds that a keeper has, which bounds what it asks in turn by less: with them the answer comes within two seconds. */
const keeperBound = 1900

/** The report as the host itself gets it: also of a keeper that hangs or is dead. */
export async function healthInside(
  link: KeeperLink,
  settings: KeeperSettings,
  checks: HealthChecks,
): Promise<HealthReport> {
  const asked = link.call('health', undefined)
  const [results, answered] = await Promise.all([runHealthChecks(checks), settlesWithin(keeperBound, asked)])
  if (!answered) return keeperSilent(`its keeper does not answer within ${keeperBound} ms`)
  try {
    return judge(await asked, results)
  } catch (error) {
    if (!isCoppiceError(error, 'run_lost')) throw error
    return keeperSilent((error as CoppiceError).message)
  }

  function keeperSilent(why: string): HealthReport {
    const report = judge(nothingKnown(settings.store?.location ?? ''), results)
    const reason = {
      ...reasonOf('supervisor_silent', 'unresponsive', `this supervisor: ${why}`),
      supervisor: link.supervisor,
    }
    const reasons = [reason, ...report.reasons]
    return { ...report, reasons, verdict: worst(reasons) }
  }
}
