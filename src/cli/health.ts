import { type Verdict, verdictOf } from '../health/verdict.js'
import { openObserver } from '../supervisor/host/observer.js'
import type { SupervisorView } from '../supervisor/host/views.js'
import { age, duration, printJson, printTable } from './printing.js'
import { stateExists, stateOption } from './state.js'

/** `coppice health` */
export async function health(options: { readonly state?: string; readonly json?: boolean }): Promise<void> {
  const all = (await supervisors(options)).map((view) => ({ verdict: verdictOf(view), ...view }))
  if (all.some(({ verdict }) => verdict !== 'well')) process.exitCode = 1
  if (options.json === true) return printJson(all)
  printTable(
    ['SUPERVISOR', 'VERDICT', 'RUNNING', 'WAITING', 'TREES', 'RENEWED', 'WHAT'],
    all.map((view) => [
      `${view.pid}@${view.host}`,
      view.verdict,
      String(view.health?.running ?? '-'),
      String(view.health?.waiting ?? '-'),
      String(view.health?.trees ?? '-'),
      age(view.renewedAt),
      describe(view.verdict, view),
    ]),
  )
}

/** Where there is no state file there is no supervisor. */
async function supervisors(options: { readonly state?: string }): Promise<readonly SupervisorView[]> {
  const state = stateOption(options)
  if (!(await stateExists(state))) return []
  const observer = await openObserver(state)
  try {
    return await observer.supervisors()
  } finally {
    await observer.close()
  }
}

function describe(verdict: Verdict, { health, blockedSince }: SupervisorView): string {
  const since = blockedSince === null ? '' : ` since ${blockedSince}`
  const what: Record<Verdict, string> = {
    well: '',
    host_blocked: `the event loop of its host is blocked${health === null ? since : ` for ${duration(health.hostBlockedMs)}`}`,
    silent: 'its process lives and does not answer: stopped, or its disk hangs',
    dead: 'its process is gone; the next supervisor to open recovers what it left',
  }
  return what[verdict]
}
