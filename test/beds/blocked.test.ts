import { type HealthReport, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { openObserver } from '#src/supervisor/host/observer.js'
import { isAlive, living } from '../support/alive.ts'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, type Started, test } from '../support/scene.ts'

/** P4, P6, P7 for a gateway that is blocked or frozen for long, with the trees of ten sessions. */

const busySeconds = 60
const ttl = 6_000

interface Fact {
  readonly tool?: number
  readonly session?: string
  readonly busy?: string
  readonly result?: string
  readonly state?: string
  readonly error?: string
  readonly code?: string
  readonly aborted?: boolean
}

/** The facts from the first or from a later one on, when there are so many. */
async function facts({ lines }: Started, count: number, from = 0): Promise<Fact[]> {
  const found: Fact[] = []
  for await (const line of lines.each()) {
    found.push(JSON.parse(line))
    if (found.length === from + count) break
  }
  return found.slice(from)
}

function toolsOf(facts: readonly Fact[], but: string | null = null) {
  return facts.flatMap(({ tool, session }) => (tool === undefined || session === but ? [] : [living(tool)]))
}

/** What `coppice health` says from outside, with its exit code. */
async function health(
  scene: Scene,
): Promise<{ code: number | null; verdict: string; blocked: string | undefined }> {
  const { code, stdout } = await scene.coppice(['health', '--json']).exited
  const { verdict, reasons } = JSON.parse(stdout) as HealthReport
  return { code, verdict, blocked: reasons.find(({ what }) => what === 'host_blocked')?.verdict }
}

test(`a host whose loop is busy for ${busySeconds} s`, { timeout: 120_000 }, async ({ scene }) => {
  const host = scene.host('host-with-a-busy-callback.mjs', [String(busySeconds)])
  const begun = await facts(host, 12)
  const blockedAt = performance.now()
  const tools = toolsOf(begun, 'busy')
  expect(tools).toHaveLength(10)
  const run = begun.find(({ busy }) => busy !== undefined)?.busy ?? ''

  const observer = await openObserver({ state: scene.state })
  const outcome = await eventually(async () => (await observer.show(run))?.outcome, { within: 40_000 })
  expect(outcome).toMatchObject({ state: 'timed_out', callback: 'left_behind', tree: { survivors: [] } })
  expect(outcome?.durationMs).toBeGreaterThanOrEqual(5_000)
  // Its loop is blocked for a minute.
  expect(outcome?.durationMs).toBeLessThan(20_000)

  await eventually(async () => (await health(scene)).blocked === 'unresponsive', {
    within: 15_000 - (performance.now() - blockedAt),
    every: 500,
  })
  expect(await health(scene)).toEqual({ code: 3, verdict: 'unresponsive', blocked: 'unresponsive' })
  const all = await observer.runs({ state: 'live' })
  expect(all).toHaveLength(10)
  expect(tools.filter(({ pid, startTime }) => !isAlive(pid, startTime))).toEqual([])
  console.log(`blocked is seen from outside ${Math.round(performance.now() - blockedAt)} ms after it began`)

  // Twice their stallTimeout: a loop that is blocked is no stall of theirs.
  const { stdout, code } = await host.exited
  await observer.close()
  const ends: Fact[] = stdout
    .trim()
    .split('\n')
    .slice(12)
    .map((line) => JSON.parse(line))
  expect(ends.filter(({ session }) => session === 'busy')).toEqual([
    { session: 'busy', error: 'run_timed_out' },
  ])
  const others = ends.filter(({ state }) => state !== undefined)
  expect(others).toHaveLength(10)
  expect(others.every(({ state, result }) => state === 'succeeded' && result === 'still here')).toBe(true)
  expect(code).toBe(0)
})

describe.skipIf(bestHere.containment === 'group')('a host that is frozen for longer than its ttl', () => {
  test('its trees are dead before its leases are, others run its sessions, and it commits nothing', {
    timeout: 60_000,
  }, async ({ scene }) => {
    const host = scene.host('host-of-ten-sessions.mjs', [String(ttl)], { stdin: 'pipe' })
    const tools = toolsOf(await facts(host, 10))
    host.child.kill('SIGSTOP')
    const supervisor = await openSupervisor({ state: scene.state, grace: '300ms', killBound: '1s' })
    const [frozen] = (await supervisor.supervisors()).filter(({ pid }) => pid === host.pid)
    const leasedUntil = Date.parse(frozen?.renewedAt ?? '') + ttl
    const lives = () => tools.filter(({ pid, startTime }) => isAlive(pid, startTime))
    const taken = tools.map((_, n) =>
      supervisor.run({ session: `s${n}` }, async (run) => {
        await run.append('next')
        return lives().length
      }),
    )
    await eventually(() => lives().length === 0, { within: ttl + 1_000 })
    const spare = leasedUntil - Date.now()
    expect(spare).toBeGreaterThan(0)
    expect(await Promise.all(taken)).toEqual(tools.map(() => 0))

    host.child.kill('SIGCONT')
    host.child.stdin?.end('go on\n')
    const late = await facts(host, 10, 10)
    expect(late.map(({ code, aborted }) => `${code} ${aborted}`)).toEqual(late.map(() => 'run_lost true'))
    for (const n of tools.keys())
      expect(await supervisor.transcript(`s${n}`)).toMatchObject([
        { kind: 'ending', outcome: { state: 'lost' } },
        { kind: 'entry', entry: 'next' },
        { kind: 'ending', outcome: { state: 'succeeded' } },
      ])
    await supervisor.close()
    expect((await host.exited).code).toBe(0)
    console.log(`the last tree was dead ${spare} ms before the lease`)
  })
})
