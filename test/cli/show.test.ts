import { stripVTControlCharacters } from 'node:util'
import { openSupervisor, type TimelineItem } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'

const whatOf = (timeline: readonly TimelineItem[]) => timeline.map(({ what }) => what)

describe('coppice show RUN', () => {
  test('prints the run’s timeline, with what each step took', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '300ms' })
    const before = await supervisor.begin({ session: 'demo' })
    const handle = supervisor.start({ session: 'demo', timeout: '4s' }, async (run) => {
      await run.append({ role: 'user', text: 'hello' })
      await run.append({ coppice: 'attempt_failed', call: 1 })
      await run.exec('sh', ['-c', 'exit 4'])
      await run.exec('bash', ['-c', 'trap "" TERM; while :; do sleep 0.1; done'])
    })
    await eventually(async () => (await supervisor.why('demo')).waiting.length === 1)
    await before.end()
    await handle.outcome
    const { code, stdout } = await scene.coppice(['show', handle.id, '--json']).exited
    expect(code).toBe(0)
    const { timeline } = JSON.parse(stdout) as { timeline: TimelineItem[] }
    expect(whatOf(timeline)).toEqual([
      'asked',
      'admitted',
      'entry',
      'entry',
      'launched',
      'exited',
      'launched',
      'stopping',
      'exited',
      'ended',
    ])
    const texts = timeline.map(({ text }) => text)
    expect(texts[0]).toBe('for session demo')
    expect(texts[1]).toBe('with fence 2')
    expect(texts[2]).toBe('entry 1, 30 characters')
    expect(texts[3]).toBe('attempt_failed (entry 2)')
    expect(texts[4]).toBe(`${handle.id}.1: sh -c exit 4`)
    expect(texts[5]).toMatch(/\.1: exited, exit 4, /)
    expect(texts[7]).toBe('timed_out')
    expect(texts[8]).toMatch(/\.2: timed_out, SIGKILL, /)
    expect(texts[9]).toBe('timed_out, by force')
    const [, admitted, , , , , , stopping, killed, ended] = timeline
    expect(admitted?.tookMs, 'its wait').toBe(admitted?.sinceStartMs)
    expect(killed?.tookMs).toBeGreaterThanOrEqual(300)
    expect(ended?.tookMs).toBeGreaterThanOrEqual(4_300)
    expect(ended?.sinceStartMs).toBeGreaterThanOrEqual((stopping?.sinceStartMs ?? 0) + 300)
    const times = timeline.map(({ sinceStartMs }) => sinceStartMs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))

    const people = (await scene.coppice(['show', handle.id]).exited).stdout
    expect(people).toMatch(/^run +r\w+\nsession +demo\nstate +timed_out\n/)
    expect(people).toMatch(/\nTIME +AFTER +WHAT +TOOK\n/)
    expect(people).toMatch(
      /\n\S+Z +\+\S+ +stopping +timed_out\n\S+Z +\+\S+ +exited +\d+\w+ +\S+\.2: timed_out, SIGKILL/,
    )
    await supervisor.close()
  })

  test('of a run that goes on: what runs, and which subagents live', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const there = Promise.withResolvers<void>()
    const handle = supervisor.start({}, (run) =>
      run.subagent({ session: 'child' }, async () => {
        there.resolve()
        await new Promise(() => {})
      }),
    )
    await there.promise
    const timeline = (await supervisor.timeline(handle.id)) ?? []
    expect(whatOf(timeline)).toEqual(['asked', 'admitted', 'subagent'])
    expect(timeline[2]?.text).toMatch(/^r\w+ of session child, which lives$/)
    expect(await supervisor.timeline('r-unknown')).toBeNull()
    await supervisor.close({ within: 0 })
  })
})

describe.skipIf(!hasTerminals)('tables on a terminal (needs a C compiler)', () => {
  const wide = '猫の手も借りたい👩‍👩‍👧'

  test('are as wide as it, by what its columns hold, and have colours where they are wanted', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const run = await supervisor.begin({ session: wide })
    const waiting = supervisor.start({ session: wide }, () => 1)
    await eventually(async () => (await supervisor.why(wide)).waiting.length === 1)

    // What Node makes of a terminal is told by these, and CI has none.
    const narrow = inTerminal(scene, 'stty cols 50; unset CI NO_COLOR; TERM=xterm-256color coppice sessions')
    await narrow.shows('ended 0')
    const [head = '', row = ''] = narrow.screen().split('\n')
    expect(head).toContain('\u001b[1mSESSION')
    // Each of the seven wide characters and the emoji takes two columns.
    expect(row).toMatch(new RegExp(`^${wide}  held `))
    expect(stripVTControlCharacters(head).indexOf('STATE')).toBe(20)

    const cut = inTerminal(scene, 'stty cols 64; unset CI; NO_COLOR=1 TERM=xterm-256color coppice ps --tree')
    await cut.shows('ended 0')
    expect(cut.screen()).not.toContain('\u001b[')
    const lines = cut.screen().trim().split('\n').slice(0, 3)
    expect(lines[1]).toMatch(/… {2,}waiting/)
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(64)

    await run.end()
    await waiting.outcome
    await supervisor.close()
  })
})
