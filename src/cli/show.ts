import type { TimelineItem } from '../supervisor/host/timeline.js'
import type { RunView, TreeView } from '../supervisor/host/views.js'
import { type LookOptions, look, reason } from './look.js'
import { type Cell, duration, printJson, printTable } from './printing.js'

type Shown = RunView & { readonly trees: readonly TreeView[]; readonly timeline: readonly TimelineItem[] }

/** `coppice show RUN` */
export async function show(run: string, options: LookOptions): Promise<void> {
  const found = await look<Shown | null>(options, null, async (observer) => {
    const [view, timeline] = await Promise.all([observer.show(run), observer.timeline(run)])
    return view && { ...view, trees: await observer.trees(run), timeline: timeline ?? [] }
  })
  if (found === null) {
    process.stderr.write(`coppice: there is no run ${run}: coppice ps --all lists them\n`)
    process.exitCode = 1
    return
  }
  if (options.json === true) return printJson(found)
  await printTable(null, describe(found))
  process.stdout.write('\n')
  await printTable(['TIME', 'AFTER', 'WHAT', 'TOOK', ''], found.timeline.map(timelineRow))
}

function timelineRow({ at, sinceStartMs, what, tookMs, text }: TimelineItem): Cell[] {
  return [at, `+${duration(sinceStartMs)}`, what, tookMs === null ? '' : duration(tookMs), text]
}

function describe(run: Shown): string[][] {
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
