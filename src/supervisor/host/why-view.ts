import type { StoredRun } from '../../store/records.js'
import type { LiveSubagent, RunDoing, RunningCommand, WhyFacts } from '../doing.js'
import { viewBreaker, viewRun } from './views.js'
import type { WhyHolder, WhyView } from './why-report.js'
import { commandOf, sentenceOf } from './why-sentence.js'

/** Facts as a report. */
export function viewWhy(session: string, path: string, facts: WhyFacts, now = Date.now()): WhyView {
  const holder = facts.holder === null ? null : viewHolder(facts.holder, facts, now)
  const view = {
    session,
    state: holder === null ? ('free' as const) : ('held' as const),
    holder,
    queueLength: facts.queueLength,
    waiting: facts.waiters.map(({ id: run, createdAt, supervisor }) => ({
      run,
      since: iso(createdAt),
      waitedMs: Math.max(0, now - createdAt),
      pid: supervisor.identity.pid,
    })),
    breaker: viewBreaker(facts.breaker),
    last: facts.last && viewRun(facts.last),
  }
  return { ...view, sentence: sentenceOf(view, path, now), command: commandOf(view) }
}

function viewHolder(holder: StoredRun, facts: WhyFacts, now: number): WhyHolder {
  const { id: run, state, parent, startedAt, createdAt, supervisor: record } = holder
  const { doing } = facts
  const since = startedAt ?? createdAt
  const { labels, waitsFor } = viewRun(holder)
  return {
    run,
    state: doing?.state ?? state,
    parent,
    labels,
    since: iso(since),
    heldMs: Math.max(0, now - since),
    supervisor: {
      id: record.id,
      host: record.host,
      pid: record.identity.pid,
      condition: conditionOf(facts),
      hostBlockedMs: doing?.hostBlockedMs ?? (record.blockedSince === null ? 0 : now - record.blockedSince),
      leaseEndsAt: iso(record.renewedAt + record.ttl),
    },
    doing: doing?.doing ?? null,
    label: doing?.label ?? null,
    idleMs: doing?.idleMs ?? null,
    waitsFor,
    commands: doing?.commands ?? facts.trees.map((tree) => storedCommand(tree, now)),
    subagents: subagentsOf(facts),
    endsBy: endsBy(doing, now),
    stopping: stoppingOf(holder, doing),
  }
}

function conditionOf({ supervisor, doing }: WhyFacts): WhyHolder['supervisor']['condition'] {
  if (supervisor?.alive === 'dead') return 'dead'
  if (supervisor?.stopped) return 'stopped'
  if (doing !== null) return doing.hostBlockedMs > 0 ? 'host_blocked' : 'well'
  return supervisor?.alive === 'unknown' ? 'elsewhere' : 'silent'
}

function storedCommand(
  { tree, command, root, launchedAt }: WhyFacts['trees'][number],
  now: number,
): RunningCommand {
  return { tree, command: JSON.parse(command), pid: root.pid, runningMs: Math.max(0, now - launchedAt) }
}

function subagentsOf({ subagents }: WhyFacts): LiveSubagent[] {
  return subagents.map(({ id: run, session, state }) => ({ run, session, state }))
}

function endsBy(doing: RunDoing | null, now: number): string | null {
  if (doing === null) return null
  const left = doing.stopping?.boundLeftMs ?? doing.timeLeftMs
  return left === null ? null : iso(now + left)
}

function stoppingOf({ stop, stoppingAt }: StoredRun, doing: RunDoing | null): WhyHolder['stopping'] {
  const told = doing?.stopping ?? stop
  if (told === null) return null
  return {
    cause: told.cause,
    message: told.message,
    since: stoppingAt === null ? null : iso(stoppingAt),
    graceLeftMs: doing?.stopping?.graceLeftMs ?? null,
  }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
