import { type Ending, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isStopped } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

const request = (id: string, session = 'k') => ({ session, request: { id, payload: { text: id } } })

/** A handler that keeps what it is told. */
function listening() {
  const told: Ending[] = []
  const ids = () => told.map(({ outcome }) => outcome.request)
  return { told, ids, onEnding: (ending: Ending) => void told.push(ending) }
}

describe('P8: onEnding', () => {
  test('is told how each run with a request ended, and one that asks for it, with all that it had', async ({
    scene,
  }) => {
    const { told, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    await supervisor.run(request('good'), () => 'value')
    const bad = supervisor.start(request('bad'), async (run) => {
      await run.draft({ text: 'half an ans' })
      await run.append({ role: 'assistant' }, { calls: ['c1', 'c2', 'c3'] })
      await run.exec('true', [], { callId: 'c1' })
      await run.append({ role: 'tool' }, { results: ['c1'] })
      await run.exec('bash', ['-c', 'exit 3'], { callId: 'c2' })
      throw new TypeError('no')
    })
    await bad.result.catch(() => {})
    await supervisor.run({ session: 'k' }, () => {})
    const asked = supervisor.start({ session: 'k', tell: true }, () => {})
    await asked.result
    await supervisor.close()
    expect(told).toEqual([
      expect.objectContaining({
        outcome: expect.objectContaining({ state: 'succeeded', request: 'good' }),
        request: { id: 'good', payload: { text: 'good' }, tries: 1, pending: false },
        messages: [],
        draft: null,
        error: null,
        calls: [],
      }),
      {
        outcome: await bad.outcome,
        request: { id: 'bad', payload: { text: 'bad' }, tries: 1, pending: false },
        messages: [],
        draft: { text: 'half an ans' },
        error: { name: 'TypeError', message: 'no' },
        calls: [
          { callId: 'c2', exec: { ended: 'exited', code: 3, signal: null } },
          { callId: 'c3', exec: null },
        ],
      },
      expect.objectContaining({ outcome: await asked.outcome, request: null }),
    ])
  })

  test('has a refusal, and what was cancelled while it waited, as well', async ({ scene }) => {
    const { ids, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    const holder = await supervisor.begin({ session: 'k' })
    const busy = supervisor.start({ ...request('busy'), ifBusy: 'refuse' }, () => {})
    await busy.outcome
    const waits = supervisor.start(request('waits'), () => {})
    await waits.accepted
    await waits.cancel()
    await holder.end()
    await eventually(() => ids().length === 2)
    expect(ids()).toEqual(['busy', 'waits'])
    await supervisor.close()
  })

  test('gets it again where it throws, and nobody overtakes it in its session', async ({ scene }) => {
    const told: string[] = []
    const other = Promise.withResolvers<void>()
    let failures = 2
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: async ({ outcome }) => {
        told.push(outcome.request ?? '')
        if (outcome.request === 'other') other.resolve()
        if (outcome.request === 'a' && failures-- > 0) throw new Error('not now')
        // Another session does not wait for the back-off: else this would never come.
        if (outcome.request === 'a') await other.promise
      },
    })
    for (const id of ['a', 'b']) await supervisor.run(request(id), () => {})
    await supervisor.run(request('other', 'l'), () => {})
    await eventually(() => told.includes('b'))
    expect(told.filter((id) => id !== 'other')).toEqual(['a', 'a', 'a', 'b'])
    await supervisor.close()
  })

  test('P7: one that hangs holds up its own session, nobody else, and no close for long; health counts it', async ({
    scene,
  }) => {
    const told: string[] = []
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: async ({ outcome }) => {
        told.push(outcome.request ?? '')
        if (outcome.session?.startsWith('hangs')) await new Promise(() => {})
      },
    })
    const hanging = Array.from({ length: 40 }, (_, at) => `hangs-${at}`)
    await Promise.all(hanging.map((session) => supervisor.run(request(session, session), () => {})))
    await supervisor.run(request('behind', 'hangs-0'), () => {})
    await supervisor.run(request('other', 'l'), () => {})
    await eventually(() => told.includes('other') && told.length === 41)
    expect(told).not.toContain('behind')
    const counted = async () => (await supervisor.health()).supervisors[0]?.health?.endings
    await eventually(async () => (await counted())?.aside === 40)
    expect(await counted()).toEqual({ untold: 41, underWay: 40, aside: 40 })
    const begun = performance.now()
    await supervisor.close()
    expect(performance.now() - begun).toBeLessThan(4_000)
    // What nobody has taken is the next one's, in order.
    const next = listening()
    const heir = await openSupervisor({ state: scene.state, onEnding: next.onEnding })
    await eventually(() => next.told.length === 41)
    expect(next.ids().filter((id) => id === 'hangs-0' || id === 'behind')).toEqual(['hangs-0', 'behind'])
    await heir.close()
  })

  test('of a session come in their order, many at a time, each once', async ({ scene }) => {
    const told: string[] = []
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: async ({ outcome }) => {
        await new Promise((resolve) => setImmediate(resolve))
        told.push(`${outcome.session} ${outcome.request}`)
      },
    })
    const sessions = Array.from({ length: 8 }, (_, at) => `s${at}`)
    const all = sessions.flatMap((session) =>
      Array.from({ length: 25 }, (_, at) => [session, `${at}`] as const),
    )
    await Promise.all(all.map(([session, id]) => supervisor.run(request(id, session), () => {})))
    await supervisor.close()
    for (const session of sessions)
      expect(told.filter((one) => one.startsWith(`${session} `))).toEqual(
        Array.from({ length: 25 }, (_, at) => `${session} ${at}`),
      )
    expect(told).toHaveLength(all.length)
  })
})

/** A supervisor that has ended run `a`, whose handler hangs over it, and that is killed while `b` runs. */
async function killedOver(scene: Scene) {
  const host = scene.host('host-with-requests.mjs', ['k', 'a', 'b'], {
    env: { ENDINGS: 'hang' },
    stdin: 'pipe',
  })
  await host.lines.after('begun a')
  host.child.stdin?.write('a\n')
  await host.lines.after('told a ')
  await host.lines.after('begun b')
  host.child.kill('SIGKILL')
  return host
}

describe('P8: endings that a supervisor leaves untold', () => {
  test('of a killed one are told at the next open: what it had ended, and what it had running', async ({
    scene,
  }) => {
    await (await killedOver(scene)).died
    const { ids, told, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    await eventually(() => told.length === 2)
    expect(ids()).toEqual(['a', 'b'])
    expect(told.map(({ outcome, request }) => [outcome.state, request?.pending])).toEqual([
      ['succeeded', false],
      ['lost', true],
    ])
    await supervisor.close()
  })

  test('of a killed one are told by one that has been open all along, without a run of its own', async ({
    scene,
  }) => {
    const { ids, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    await killedOver(scene)
    await eventually(() => ids().length === 2)
    expect(ids()).toEqual(['a', 'b'])
    await supervisor.close()
  })

  test('of one without a handler are told by one that has one', async ({ scene }) => {
    const { ids, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding })
    const host = scene.host('host-with-requests.mjs', ['k', 'a'], { env: { ENDINGS: 'none' }, stdin: 'pipe' })
    await host.lines.after('begun a')
    host.child.stdin?.write('a\n')
    await eventually(() => ids().length === 1)
    host.child.stdin?.write('close\n')
    await host.exited
    await supervisor.close()
  })

  test('are not told again by one that slept while another took them', async ({ scene }) => {
    const env = { ENDINGS: 'hang', TTL: '1s' }
    const host = scene.host('host-with-requests.mjs', ['k', 'a', 'b'], { env, stdin: 'pipe' })
    await host.lines.after('begun a')
    host.child.stdin?.write('a\n')
    await host.lines.after('told a ')
    await host.lines.after('begun b')
    host.child.stdin?.write('b\n')
    await host.lines.after('ended b ')
    host.child.kill('SIGSTOP')
    await eventually(() => isStopped(host.pid))
    const { ids, onEnding } = listening()
    const supervisor = await openSupervisor({ state: scene.state, onEnding, ttl: '1s' })
    await eventually(() => ids().length === 2)
    host.child.kill('SIGCONT')
    host.child.stdin?.write('close\n')
    await host.lines.after('closed')
    expect(host.lines.all.filter((line) => line.startsWith('told b'))).toEqual([])
    expect(ids()).toEqual(['a', 'b'])
    await supervisor.close()
  })
})

describe('onEnding before the next run', () => {
  test('holds the session’s next admission until it has resolved', async ({ scene }) => {
    const steps: string[] = []
    const gate = Promise.withResolvers<void>()
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: {
        handle: async ({ outcome }) => {
          if (outcome.request === 'a') await gate.promise
          steps.push(`told ${outcome.request}`)
        },
        before: 'next-run',
      },
    })
    const waits = supervisor.start(request('b'), () => void steps.push('ran b'))
    const first = supervisor.start(
      { ...request('a'), priority: 'interactive' },
      () => void steps.push('ran a'),
    )
    await supervisor.run(request('elsewhere', 'l'), () => {})
    gate.resolve()
    await Promise.all([waits.result, first.result])
    await supervisor.close()
    expect(steps.filter((step) => !step.includes('elsewhere'))).toEqual([
      'ran b',
      'told b',
      'ran a',
      'told a',
    ])
  })

  test('but no longer than it says, also where the handler hangs', async ({ scene }) => {
    const supervisor = await openSupervisor({
      state: scene.state,
      onEnding: { handle: () => new Promise(() => {}), before: 'next-run', within: '500ms' },
    })
    const begun = performance.now()
    await supervisor.run(request('a'), () => {})
    await supervisor.run({ session: 'k' }, () => {})
    expect(performance.now() - begun).toBeGreaterThanOrEqual(490)
    // It may take 30 s where nothing is said.
    expect(performance.now() - begun).toBeLessThan(20_000)
    await supervisor.close()
  })

  test('bad options are refused by name', async ({ scene }) => {
    const open = (onEnding: unknown) =>
      openSupervisor({ state: scene.state, onEnding: onEnding as () => void })
    await expect(open('yes')).rejects.toThrow(/^onEnding: the options must be an object/)
    await expect(open({})).rejects.toThrow(/^onEnding: must be a function/)
    await expect(open({ handle: () => {}, before: 'noon' })).rejects.toThrow(/"noon" is not next-run/)
    await expect(open({ handle: () => {}, within: '1s' })).rejects.toThrow(/within: goes with before/)
    await expect(open({ handle: () => {}, before: 'next-run', within: '2h' })).rejects.toThrow(
      /2h is more than 1h/,
    )
  })
})
