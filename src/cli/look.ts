import { type Observer, openObserver } from '../supervisor/host/observer.js'
import type { RunView, TreeView } from '../supervisor/host/views.js'
import { age, duration, printJson, printTable } from './printing.js'
import { stateExists, stateOption } from './state.js'

interface LookOptions {
  readonly state?: string
  readonly json?: boolean
}

/** `coppice ps` */
export async function ps(options: LookOptions & { readonly all?: boolean }): Promise<void> {
  const filter = options.all === true ? { limit: 100 } : ({ state: 'live' } as const)
  const runs = await look(options, [], (observer) => observer.runs(filter))
  if (options.json === true) return printJson(runs)
  printTable(
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
  printTable(
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

/** `coppice show RUN` */
export async function show(run: string, options: LookOptions): Promise<void> {
  const found = await look(options, null, async (observer) => {
    const view = await observer.show(run)
    return view && { ...view, trees: await observer.trees(run) }
  })
  if (found === null) {
    process.stderr.write(`coppice: there is no run ${run}: coppice ps --all lists them\n`)
    process.exitCode = 1
    return
  }
  if (options.json === true) return printJson(found)
  printTable(null, describe(found))
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
  printTable(
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
async function look<T>(
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

function describe(run: RunView & { readonly trees: readonly TreeView[] }): string[][] {
  const { outcome, supervisor } = run
  const rows: Array<[string, string | null | undefined]> = [
    ['run', run.run],
    ['session', run.session],
    ['state', `${run.state}${reason(run.message)}`],
    ['cause', run.cause],
    ...run.waitsFor.map(({ what, since, until }): [string, string] => [
      'waits for',
      `${what}, since ${since}${until === null ? '' : `, until ${until}`}`,
    ]),
    ['request', run.request],
    ['parent', run.parent],
    ['fence', run.fence === null ? null : String(run.fence)],
    ['supervisor', `pid ${supervisor.pid} on ${supervisor.host}`],
    ['created', run.createdAt],
    ['started', run.startedAt],
    ['ended', outcome?.endedAt],
    ['took', outcome && `${duration(outcome.durationMs)}, after waiting ${duration(outcome.waitedMs)}`],
    ['forced', outcome && String(outcome.forced)],
    ['callback', outcome?.callback],
    ...run.trees.map((tree): [string, string] => ['tree', describeTree(tree)]),
  ]
  return rows.flatMap(([name, value]) => (value === null || value === undefined ? [] : [[name, value]]))
}

function describeTree({ tree, command, containment, pid, end }: TreeView): string {
  const what = `${tree} ${command.join(' ')} (pid ${pid}, ${containment})`
  if (end === null) return `${what}: running`
  const { code, signal } = end.exit
  return `${what}: ${end.ended}, ${code === null ? (signal ?? 'exit unknown') : `exit ${code}`}, ${end.proof}`
}

function reason(message: string | null): string {
  return message === null || message === '' ? '' : `: ${message}`
}
