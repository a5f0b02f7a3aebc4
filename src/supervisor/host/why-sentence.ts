import ms from 'ms'
import type { WhyHolder, WhyView } from './why-report.js'

type Seen = Omit<WhyView, 'sentence' | 'command'>

/** What a tired person is to know of a session, and can act on: who, since when, at what, until when, and who waits. */
export function sentenceOf(view: Seen, path: string, now: number): string {
  const { session, holder } = view
  const said = holder === null ? free(view, path, now) : held(holder, now)
  const rest = [holder === null && view.waiting.length === 0 ? null : waiters(view), breaker(view, now)]
  const command = commandOf(view)
  const parts = [`session ${session} is ${said}`, ...rest.filter((part) => part !== null)]
  return `${parts.join('; ')}${command === null ? '' : `; ${purpose(view)}: ${command}`}`
}

/** Also of a run that its own supervisor cannot end any more. */
export function commandOf({ session, holder, breaker }: Seen): string | null {
  if (holder === null)
    return breaker === null || breaker.state === 'closed'
      ? null
      : `coppice breaker ${quoted(session)} --close`
  const cancel = `coppice cancel ${holder.run}`
  const { condition } = holder.supervisor
  if (condition === 'stopped' || condition === 'silent') return `${cancel} --force`
  return isInGrace(holder) ? `${cancel} --grace 0` : cancel
}

function purpose({ holder }: Seen): string {
  if (holder === null) return 'to close the breaker now'
  if (holder.supervisor.condition === 'stopped')
    return `to let it go on: kill -CONT ${holder.supervisor.pid}; to end the run now`
  return isInGrace(holder) ? 'to end it without the rest of its grace' : 'to end it now'
}

function isInGrace({ stopping }: WhyHolder): boolean {
  return (stopping?.graceLeftMs ?? 0) > 0
}

function free({ waiting, last }: Seen, path: string, now: number): string {
  if (waiting.length > 0) return 'free, and is given to the first that waits as soon as its supervisor looks'
  if (last === null || last.outcome === null)
    return `free: no run has ever had it in ${path} (coppice sessions lists those that are known)`
  const { state, message, endedAt } = last.outcome
  const why = message === null || message === '' ? '' : `: ${message}`
  return `free: its last run ${last.run} ended as ${state} ${ago(endedAt, now)}${why}`
}

function held(holder: WhyHolder, now: number): string {
  const { run, since, heldMs, supervisor } = holder
  const who = `held by run ${run} of pid ${supervisor.pid} on ${supervisor.host}`
  return `${who} since ${clock(since)} (${ms(heldMs)}), ${condition(holder, now) ?? `${doing(holder)}, ${ending(holder, now)}`}`
}

/** What there is to say where its gateway cannot; null where it can. */
function condition(holder: WhyHolder, now: number): string | null {
  const { supervisor } = holder
  const lease = `its lease ends ${at(supervisor.leaseEndsAt, now)}`
  const work = known(holder)
  switch (supervisor.condition) {
    case 'well':
      return null
    case 'host_blocked': {
      const blocked = `whose event loop has been blocked for ${ms(supervisor.hostBlockedMs)}`
      return `${blocked}${work}, ${ending(holder, now)}, blocked or not`
    }
    case 'stopped':
      return `whose process is stopped (SIGSTOP or Ctrl-Z), so that nothing of it moves${work}; ${lease}, what it runs ends before, and then whoever waits takes the session over`
    case 'silent':
      return `whose process lives and does not answer${work}; ${lease}, what it runs ends before, and then whoever waits takes the session over`
    case 'dead':
      return `whose process is dead${work}: the next run that asks for the session takes it over at once`
    case 'elsewhere':
      return `which cannot be asked from this machine${work}; ${lease} unless it is renewed`
  }
}

function doing(holder: WhyHolder): string {
  const { waitsFor, idleMs, label, stopping } = holder
  if (stopping !== null) return `which is ending${known(holder)}`
  const wait = waitsFor.at(-1)
  const progress = label === null ? '' : `, after progress “${label}”`
  if (wait !== undefined) return `which waits for ${wait.what} since ${clock(wait.since)}${progress}`
  if (holder.doing === null) return `which does not say what it is at${known(holder)}`
  const idle = idleMs === null || idleMs < 1000 ? '' : `, idle for ${ms(idleMs)}`
  return `at ${holder.doing}${idle}`
}

/** Of what its host does not tell, what others know. */
function known({ commands, subagents, label, waitsFor }: WhyHolder): string {
  const wait = waitsFor.at(-1)
  const parts = [
    ...commands.map(
      ({ command, pid, runningMs }) => `command ${command.join(' ')} (pid ${pid}, ${ms(runningMs)})`,
    ),
    ...subagents.map(
      ({ run, session }) => `subagent ${run}${session === null ? '' : ` of session ${session}`}`,
    ),
    ...(wait === undefined ? [] : [`waiting for ${wait.what}`]),
  ]
  const most = 3
  const shown =
    parts.slice(0, most).join(', ') + (parts.length > most ? `, and ${parts.length - most} more` : '')
  const progress = label === null ? '' : `, after progress “${label}”`
  return `${shown === '' ? '' : `, with ${shown}`}${progress}`
}

function ending({ stopping, endsBy }: WhyHolder, now: number): string {
  if (stopping === null) return endsBy === null ? 'without a time bound' : `it times out ${at(endsBy, now)}`
  const { cause, message, graceLeftMs } = stopping
  const why = `${cause.replaceAll('_', ' ')}${message === null || message === '' ? '' : `: ${message}`}`
  const grace =
    graceLeftMs === null || graceLeftMs === 0
      ? 'its grace is over'
      : `${ms(graceLeftMs)} of its grace are left`
  return `because of ${why}: ${grace}${endsBy === null ? '' : `, and the session is free ${at(endsBy, now)} at the latest`}`
}

function waiters({ waiting, queueLength }: Seen): string {
  const [first] = waiting
  if (first === undefined) return 'nobody waits for it'
  const since = `${first.run} since ${clock(first.since)} (${ms(first.waitedMs)})`
  return queueLength <= 1 ? `one run waits: ${since}` : `${queueLength} runs wait, the first ${since}`
}

function breaker({ breaker }: Seen, now: number): string | null {
  if (breaker === null || breaker.since === null || breaker.retryAt === null) return null
  const next =
    breaker.trial === null
      ? `the next trial is ${at(breaker.retryAt, now)}`
      : `run ${breaker.trial} tries it out`
  return `its breaker is open since ${clock(breaker.since)} (${breaker.why}), so new runs are refused, and ${next}`
}

function at(time: string, now: number): string {
  const left = Date.parse(time) - now
  return left >= 0 ? `at ${clock(time)} (in ${ms(left)})` : `at ${clock(time)} (${ago(time, now)})`
}

function ago(time: string, now: number): string {
  return `${ms(Math.max(0, now - Date.parse(time)))} ago`
}

/** To the second. */
function clock(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z')
}

/** As a shell takes it for one word. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
