import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isCoppiceError, openSupervisor, type Run } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { collectingLog } from '../support/log.ts'
import { fixture, type Scene, test } from '../support/scene.ts'

const codeOf = (work: () => unknown) =>
  (async () => work())().then(
    () => 'done',
    (error: unknown) => (isCoppiceError(error) ? error.code : error),
  )
const stubborn = ['-c', 'trap "" TERM; echo ready; sleep 600 & wait; while :; do sleep 600; done']

/** Resolves when the tool is deaf to SIGTERM. */
async function launchStubborn(run: Run): Promise<void> {
  const tool = run.exec('bash', stubborn)
  for await (const _line of tool) await run.append('ready')
}

describe('case 36: a close with a drain', () => {
  test('lets what runs finish, with the commands and subagents that it needs, and begins nothing else', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const goOn = Promise.withResolvers<void>()
    const handle = supervisor.start({ session: 'a' }, async (run) => {
      await run.append('before')
      await goOn.promise
      await run.append('in the drain')
      const tool = await run.exec('echo', ['launched'])
      const sub = await run.subagent({ session: 'b' }, async (child) => {
        await child.append('of a subagent')
        return (await child.exec('echo', ['too'])).stdout
      })
      return [tool.stdout, sub]
    })
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    const closed = supervisor.close({ drain: '10m' })
    expect(await codeOf(() => supervisor.run({ session: 'c' }, () => 1))).toBe('supervisor_closed')
    expect(await codeOf(() => supervisor.begin({}))).toBe('supervisor_closed')
    goOn.resolve()
    expect(await handle.result).toEqual(['launched\n', 'too\n'])
    await closed
    expect(await handle.outcome).toMatchObject({ state: 'succeeded', cause: 'returned' })
    const next = await openSupervisor({ state: scene.state })
    expect(await next.transcript('b')).toMatchObject([
      { entry: 'of a subagent' },
      { outcome: { state: 'succeeded' } },
    ])
    await next.close()
  })

  test('P8: what waits is told at once, and a waiter of another process does not wait behind it', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const other = await openSupervisor({ state: scene.state })
    const holder = await supervisor.begin({ session: 'a' })
    const ours = supervisor.start({ session: 'a' }, () => 'ours')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    const theirs = other.start({ session: 'a' }, () => 'theirs')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 2)
    const closed = supervisor.close({ drain: '10m' })
    expect(await ours.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown', fence: null })
    expect(await codeOf(() => ours.result)).toBe('run_cancelled')
    expect(holder.signal.aborted, 'the holder goes on').toBe(false)
    await holder.append('still here')
    expect(await holder.end()).toMatchObject({ state: 'succeeded' })
    expect(await theirs.result).toBe('theirs')
    await closed
    await other.close()
  })

  test('a subagent that waits is needed by the run that started it, and waits on', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const other = await openSupervisor({ state: scene.state })
    const holder = await other.begin({ session: 'b' })
    const handle = supervisor.start({ session: 'a' }, (run) =>
      run.subagent({ session: 'b' }, () => 'its turn'),
    )
    await eventually(async () => (await other.runs({ state: 'waiting' })).length === 1)
    const closed = supervisor.close({ drain: '10m' })
    // What is asked of the keeper after the close has begun is answered after it.
    await other.runs()
    await supervisor.runs()
    await holder.end()
    expect(await handle.result).toBe('its turn')
    await closed
    await other.close()
  })

  test('when it is over, all that is left ends in parallel, as shutdown', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '6s' })
    const sessions = ['a', 'b', 'c', 'd', 'e']
    const handles = sessions.map((session) => supervisor.start({ session }, launchStubborn))
    for (const session of sessions)
      await eventually(async () => (await supervisor.transcript(session)).length === 1)
    const begun = performance.now()
    await supervisor.close({ drain: '500ms' })
    const took = performance.now() - begun
    expect(took).toBeGreaterThanOrEqual(6_500)
    // One after another, the graces alone would take 30 s.
    expect(took).toBeLessThan(28_000)
    for (const handle of handles)
      expect(await handle.outcome).toMatchObject({ state: 'cancelled', cause: 'shutdown', forced: true })
    expect(scene.living()).toEqual([])
  })

  test('a second close joins the first; drain: 0 ends the drain, within: 0 the grace as well', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '10m' })
    const handle = supervisor.start({ session: 'a' }, launchStubborn)
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    const first = supervisor.close({ drain: '10m' })
    const second = supervisor.close()
    await supervisor.runs()
    expect(handle.signal.aborted, 'a plain close joins the drain').toBe(false)
    void supervisor.close({ drain: 0 })
    await eventually(() => handle.signal.aborted)
    expect(scene.living().length, 'its grace has only begun').toBeGreaterThan(0)
    await Promise.all([first, second, supervisor.close({ within: 0 })])
    expect(await handle.outcome).toMatchObject({
      cause: 'shutdown',
      forced: true,
      durationMs: expect.any(Number),
    })
    expect(scene.living()).toEqual([])
  })

  test('within: 0 alone ends a drain and leaves no grace', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '10m' })
    const handle = supervisor.start({ session: 'a' }, launchStubborn)
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    void supervisor.close({ drain: '10m' })
    await supervisor.close({ within: 0 })
    expect(await handle.outcome).toMatchObject({ cause: 'shutdown', forced: true })
    expect(scene.living()).toEqual([])
  })

  test('a later close shortens the one that is under way: its drain, and in its ending what is left', async ({
    scene,
  }) => {
    for (const late of [false, true]) {
      const supervisor = await openSupervisor({ state: scene.state, grace: '10m' })
      const session = late ? 'late' : 'a'
      const handle = supervisor.start({ session }, launchStubborn)
      await eventually(async () => (await supervisor.transcript(session)).length === 1)
      void supervisor.close(late ? {} : { drain: '10m' })
      if (late) await eventually(() => handle.signal.aborted)
      const begun = performance.now()
      // What a first signal does where the host has begun to drain by itself.
      await supervisor.close({ drain: 0, within: '6s' })
      expect(performance.now() - begun).toBeLessThan(20_000)
      expect(await handle.outcome).toMatchObject({ cause: 'shutdown', forced: true, tree: { survivors: [] } })
      expect(scene.living()).toEqual([])
    }
  })

  test('P5: a run that is ending already, with a long grace, has no more of it than the close; its cause stays', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const handle = supervisor.start({ session: 'a' }, launchStubborn)
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    void handle.cancel({ reason: 'the user left', grace: '10m' })
    await eventually(() => handle.signal.aborted)
    await supervisor.close({ within: '8s' })
    expect(await handle.outcome).toMatchObject({
      cause: 'cancelled',
      message: 'the user left',
      forced: true,
      tree: { survivors: [] },
    })
    expect(scene.living()).toEqual([])
  })

  test('what is no duration, or no option, is refused by name and closes nothing', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await codeOf(() => supervisor.close({ drain: 'soon' as '1s' }))).toBe('invalid_option')
    expect(await codeOf(() => supervisor.close({ grace: '1s' } as object))).toBe('invalid_option')
    expect(await supervisor.run({}, () => 'open')).toBe('open')
    await supervisor.close()
    const wrong = { state: scene.state, handleSignals: { after: '1s' } as object }
    expect(await codeOf(() => openSupervisor(wrong))).toBe('invalid_option')
  })
})

describe('P4, case 36: a close keeps its time, whatever hangs', () => {
  /** A host with tools that ignore SIGTERM, one for each session. */
  async function hostOf(
    scene: Scene,
    handleSignals: string,
    { sessions = [], grace = '10m', env = {} }: { sessions?: string[]; grace?: string; env?: object } = {},
  ) {
    const host = scene.host('host-handles-signals.mjs', [grace, handleSignals, ...sessions], {
      env: { ...env },
    })
    await eventually(() => host.lines.all.filter((line) => line === 'ready').length === sessions.length + 1)
    return host
  }

  test('SIGTERM: all trees end inside docker’s ten seconds, with what they were proven to be, and the exit is 128 + 15', async ({
    scene,
  }) => {
    const sessions = ['b', 'c', 'd']
    const host = await hostOf(scene, 'true', { sessions })
    const begun = performance.now()
    host.child.kill('SIGTERM')
    expect(await host.exited).toMatchObject({ signal: 'SIGTERM' })
    expect(performance.now() - begun).toBeLessThan(9_500)
    expect(scene.living()).toEqual([])
    const supervisor = await openSupervisor({ state: scene.state })
    for (const session of ['a', ...sessions])
      expect(await supervisor.transcript(session)).toMatchObject([
        { outcome: { cause: 'shutdown', forced: true, tree: { survivors: [] } } },
      ])
    await supervisor.close()
  })

  test('handleSignals: { drain }: the first signal begins the drain, and the second ends it', async ({
    scene,
  }) => {
    const host = await hostOf(scene, '{ "drain": "10m", "within": "10m" }', { env: { SAYS_CLOSING: 'yes' } })
    const supervisor = await openSupervisor({ state: scene.state })
    const waiting = supervisor.start({ session: 'a' }, () => 'next')
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    host.child.kill('SIGINT')
    // It refuses a run that is started in it from now on; the one that runs has heard nothing.
    await eventually(() => host.lines.all.includes('closing'))
    expect(host.lines.all).not.toContain('heard')
    expect(await supervisor.sessions()).toMatchObject([{ holder: { state: 'running' } }])
    host.child.kill('SIGTERM')
    expect(await host.exited).toMatchObject({ signal: 'SIGINT' })
    expect(await waiting.result).toBe('next')
    // By its own supervisor, and not by us after its death.
    expect(await supervisor.transcript('a')).toMatchObject([{ outcome: { cause: 'shutdown' } }, {}])
    await supervisor.close()
  })

  test('a store that is locked for the whole time: the trees end, the close gives up, and the next open ends the run', async ({
    scene,
  }) => {
    const host = await hostOf(scene, '{ "within": "3s" }')
    {
      await using _lock = await scene.lockState()
      const begun = performance.now()
      host.child.kill('SIGTERM')
      expect(await host.exited).toMatchObject({ signal: 'SIGTERM' })
      // The store has patience for ten.
      expect(performance.now() - begun).toBeLessThan(9_000)
    }
    expect(scene.living()).toEqual([])
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await supervisor.run({ session: 'a' }, () => 'free')).toBe('free')
    expect(await supervisor.transcript('a')).toMatchObject([{ outcome: { state: 'lost' } }, {}])
    await supervisor.close()
  })

  test('a store that cannot be left does not keep the keeper: it says what is unfinished, in its time', async ({
    scene,
  }) => {
    const { logger, lines } = collectingLog('error')
    const supervisor = await openSupervisor({ state: scene.state, logger })
    const handle = supervisor.start({ session: 'a' }, launchStubborn)
    await eventually(async () => (await supervisor.transcript('a')).length === 1)
    {
      await using _lock = await scene.lockState()
      const begun = performance.now()
      await supervisor.close({ within: '2500ms' })
      expect(performance.now() - begun).toBeLessThan(9_000)
      expect(await handle.outcome).toMatchObject({
        state: 'lost',
        message: expect.stringContaining('closed before'),
      })
    }
    expect(lines.at(-1)).toMatchObject({ unfinished: 1 })
    expect(scene.living()).toEqual([])
    const next = await openSupervisor({ state: scene.state })
    expect(await next.run({ session: 'a' }, () => 'free')).toBe('free')
    await next.close()
  })

  test('P5: one that could record why it stops, and no more, is ended with that cause by whoever comes next', async ({
    scene,
  }) => {
    const host = await hostOf(scene, '{ "within": "10s" }')
    host.child.kill('SIGTERM')
    await host.lines.after('heard')
    {
      await using _lock = await scene.lockState()
      expect(await host.exited).toMatchObject({ signal: 'SIGTERM' })
    }
    const supervisor = await openSupervisor({ state: scene.state })
    expect(await supervisor.run({ session: 'a' }, () => 'free')).toBe('free')
    expect(await supervisor.transcript('a')).toMatchObject([
      { outcome: { state: 'cancelled', cause: 'shutdown' } },
      {},
    ])
    await supervisor.close()
  })

  test('a keeper whose thread hangs: the host goes without it, and launcher and guards end the trees', async ({
    scene,
  }) => {
    const hangs = join(scene.folder, 'hangs')
    const env = { NODE_OPTIONS: `--import ${fixture('keeper-hangs.mjs')}`, HANGS_WHEN: hangs }
    const host = await hostOf(scene, '{ "within": "3s" }', { grace: '1s', env })
    const begun = performance.now()
    writeFileSync(hangs, '')
    await eventually(() => host.lines.all.includes('hangs'))
    host.child.kill('SIGTERM')
    expect(await host.exited).toMatchObject({ signal: 'SIGTERM' })
    expect(performance.now() - begun).toBeLessThan(20_000)
    await eventually(() => scene.living().length === 0, { within: 20_000 })
  })
})
