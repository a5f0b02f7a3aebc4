import type { EntryMark } from '../../store/looking-contract.js'
import type { StoredRun } from '../../store/records.js'
import type { RunView, TreeView } from './views.js'

/** One thing that happened to a run. */
export interface TimelineItem {
  readonly at: string
  /** Milliseconds since the run was asked for. */
  readonly sinceStartMs: number
  readonly what: 'asked' | 'admitted' | 'launched' | 'exited' | 'entry' | 'subagent' | 'stopping' | 'ended'
  /** In words. */
  readonly text: string
  /** What it took: of an admission the wait, of a command's end its run time, of the run's end its time from admission on. */
  readonly tookMs: number | null
}

interface Parts {
  readonly run: RunView
  readonly stoppingAt: string | null
  readonly trees: readonly TreeView[]
  readonly entries: readonly EntryMark[]
  /** Those that live. */
  readonly subagents: readonly StoredRun[]
}

/** A run from its request to its end, in order of time. */
export function timelineOf({ run, stoppingAt, trees, entries, subagents }: Parts): TimelineItem[] {
  const { createdAt, startedAt, outcome, session } = run
  const start = Date.parse(createdAt)
  const items: Array<Omit<TimelineItem, 'sinceStartMs'>> = [
    item(createdAt, 'asked', session === null ? 'for no session' : `for session ${session}`),
  ]
  if (startedAt !== null)
    items.push(item(startedAt, 'admitted', `with fence ${run.fence ?? '-'}`, Date.parse(startedAt) - start))
  for (const tree of trees) items.push(...treeItems(tree))
  for (const { index, at, characters, coppice } of entries) {
    const text =
      coppice === null ? `entry ${index + 1}, ${characters} characters` : `${coppice} (entry ${index + 1})`
    items.push(item(iso(at), 'entry', text))
  }
  for (const { id, session, createdAt: at } of subagents)
    items.push(
      item(iso(at), 'subagent', `${id}${session === null ? '' : ` of session ${session}`}, which lives`),
    )
  if (stoppingAt !== null) items.push(item(stoppingAt, 'stopping', causeOf(run)))
  if (outcome !== null) {
    const text = outcome.forced ? `${outcome.state}, by force` : outcome.state
    items.push(item(outcome.endedAt, 'ended', text, startedAt === null ? null : outcome.durationMs))
  }
  return items
    .map((one) => ({ ...one, sinceStartMs: Math.max(0, Date.parse(one.at) - start) }))
    .toSorted((a, b) => a.sinceStartMs - b.sinceStartMs)
}

function treeItems({ tree, command, launchedAt, end }: TreeView): Array<Omit<TimelineItem, 'sinceStartMs'>> {
  const launched = item(launchedAt, 'launched', `${tree}: ${command.join(' ')}`)
  if (end === null) return [launched]
  const { code, signal } = end.exit
  const exit = code === null ? (signal ?? 'exit unknown') : `exit ${code}`
  const took = Math.max(0, Date.parse(end.endedAt) - Date.parse(launchedAt))
  return [launched, item(end.endedAt, 'exited', `${tree}: ${end.ended}, ${exit}, ${end.proof}`, took)]
}

function causeOf({ cause, message }: RunView): string {
  const why = cause ?? 'unknown'
  return message === null || message === '' ? why : `${why}: ${message}`
}

function item(
  at: string,
  what: TimelineItem['what'],
  text: string,
  tookMs: number | null = null,
): Omit<TimelineItem, 'sinceStartMs'> {
  return { at, what, text, tookMs: tookMs && Math.max(0, tookMs) }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
