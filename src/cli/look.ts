import { type Observer, openObserver } from '../supervisor/host/observer.js'
import { age, printJson, printTable } from './printing.js'
import { stateExists, stateOption } from './state.js'

export interface LookOptions {
  readonly state?: string
  readonly json?: boolean
}

/** `coppice ps` */
export async function ps(options: LookOptions & { readonly all?: boolean }): Promise<void> {
  const filter = options.all === true ? { limit: 100 } : ({ state: 'live' } as const)
  const runs = await look(options, [], (observer) => observer.runs(filter))
  if (options.json === true) return printJson(runs)
  await printTable(
    ['RUN', 'SESSION', 'STATE', 'AGE', 'SUPERVISOR'],
    runs.map(({ run, session, state, createdAt, supervisor }) => [
      run,
      session ?? '-',
      state,
      age(createdAt),
      `${supervisor.pid}@${supervisor.host}`,
    ]),
  )
}

/** `coppice sessions` */
export async function sessions(options: LookOptions): Promise<void> {
  const found = await look(options, [], (observer) => observer.sessions())
  if (options.json === true) return printJson(found)
  await printTable(
    ['SESSION', 'STATE', 'HOLDER', 'SINCE', 'WAITING', 'BREAKER'],
    found.map(({ session, state, holder, waiting, breaker }) => [
      session,
      state,
      holder?.run ?? '-',
      holder === null ? '-' : age(holder.since),
      String(waiting),
      breaker?.state ?? 'closed',
    ]),
  )
}

/** `coppice transcript SESSION` */
export async function transcript(
  session: string,
  options: LookOptions & { readonly after?: string; readonly limit?: number },
): Promise<void> {
  const { after, limit } = options
  const range = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) }
  const items = await look(options, [], (observer) => observer.transcript(session, range))
  if (options.json === true) return printJson(items)
  await printTable(
    ['POSITION', 'TIME', 'RUN', 'WHAT'],
    items.map((item) => [
      item.position,
      new Date(item.at).toISOString(),
      item.run,
      item.kind === 'entry'
        ? JSON.stringify(item.entry)
        : `ended: ${item.outcome.state}${reason(item.outcome.message)}`,
    ]),
  )
}

/** Where there is no state file nothing has ever run, which is an answer and no error; and none is created. */
export async function look<T>(
  options: LookOptions,
  nothing: T,
  ask: (observer: Observer) => Promise<T>,
): Promise<T> {
  const state = stateOption(options)
  if (!(await stateExists(state))) return nothing
  const observer = await openObserver(state)
  try {
    return await ask(observer)
  } finally {
    await observer.close()
  }
}

export function reason(message: string | null): string {
  return message === null || message === '' ? '' : `: ${message}`
}
