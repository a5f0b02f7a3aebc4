/**
 * What it costs that nothing is dropped: the latency that a request and the telling of its ending add to a run, and how many
 * messages a second are accepted, run, ended and told, each of it durable.
 *
 *   node bench/messages.ts [--json]
 *
 * Rounds with and without take turns in one process, on one store, so that both meet the same disk and the same neighbours.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './figures.ts'
import { against, alone, type Line, report } from './lines.ts'
import { Gateway, type Round, round } from './messages/cycles.ts'

const rounds = 15
const roundMs = 250
/** A message by a run that is none; where many share a commit, what each of them adds to it weighs more. */
const targets: Record<number, number> = { 1: 1.5, 16: 1.5, 256: 2 }
const leastTold: Record<number, number> = { 1: 100, 16: 1_000, 256: 2_000 }

const folder = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
const lines: Line[] = []
try {
  await using gateway = await Gateway.open(join(folder, 'coppice.db'))
  for (const sessions of [1, 16, 256]) lines.push(...(await compare(gateway, sessions)))
} finally {
  await rm(folder, { recursive: true, force: true })
}

report(lines, `${rounds} rounds of ${roundMs} ms`)

async function compare(gateway: Gateway, sessions: number): Promise<Line[]> {
  const found = { plain: [] as Round[], message: [] as Round[], toldMessage: [] as Round[] }
  for (let at = 0; at <= rounds; at++) {
    for (const what of ['plain', 'message', 'toldMessage'] as const) {
      const measured = await round(sessions, roundMs, (session) => gateway[what](session))
      // The first round warms up code, caches and the file.
      if (at > 0) found[what].push(measured)
    }
  }
  const latency = (what: keyof typeof found) => found[what].map(({ latencies }) => median(latencies))
  const rate = (what: keyof typeof found) => found[what].map(({ perSecond }) => perSecond)
  const of = sessions === 1 ? '1 session' : `${sessions} sessions`
  const atMost = targets[sessions] ?? 0
  const told = latency('toldMessage')
  return [
    against('without', `${of}: a run with request and ending`, 'ms', latency('message'), latency('plain'), {
      atMost,
    }),
    against('its result', `${of}: from sent to told`, 'ms', told, latency('message'), { atMost: 2 }),
    against('without', `${of}: runs a second`, '', rate('message'), rate('plain'), { atLeast: 1 / atMost }),
    alone(`${of}: messages a second, each told before the next`, '', rate('toldMessage'), {
      atLeast: leastTold[sessions] ?? 0,
    }),
  ]
}
