import { type Outcome, openSupervisor, type Run, type Supervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isAlive, isStopped, living } from '../support/alive.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

const bounds = { grace: '200ms', killBound: '1s' } as const

/** A command that is there, with its pid. */
async function sleeps(run: Run) {
  const tool = run.exec('sh', ['-c', 'echo ready; exec sleep 600'])
  for await (const _ of tool) break
  const { pid, startTime } = living((await tool.pid) ?? 0)
  return { tool, isAlive: () => isAlive(pid, startTime) }
}

/** A run, its subagent and a tool of each, whose process was killed. */
async function familyDies(scene: Scene): Promise<void> {
  const host = scene.host('host-of-a-family.mjs')
  await host.lines.after('ready')
  host.child.kill('SIGKILL')
  await host.died
}

async function outcomesOf(supervisor: Supervisor): Promise<Outcome[]> {
  return (await supervisor.runs({ limit: 100 })).flatMap(({ outcome }) => (outcome === null ? [] : [outcome]))
}

describe('case 26: a parent’s end is its subagents’ end', () => {
  test('a cancelled parent: all below it end first, from the bottom up, and hear why', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    const ready = Promise.withResolvers<Array<() => boolean>>()
    const told: unknown[] = []
    const handle = supervisor.start({ session: 'top' }, async (top) => {
      const own = await sleeps(top)
      const middle = top.subagent({ session: 'middle' }, async (middle) => {
        const below = middle.subagent({ session: 'bottom' }, async (bottom) => {
          const { tool, isAlive } = await sleeps(bottom)
          ready.resolve([own.isAlive, isAlive])
          await tool
        })
        await below.catch((error: unknown) => told.push(error))
        throw new Error('its own failure, which does not count')
      })
      await middle.catch((error: unknown) => told.push(error))
      return 'what a cancelled parent returns does not count either'
    })
    const alive = await ready.promise
    expect(await handle.cancel('enough')).toMatchObject({ state: 'cancelled', cause: 'cancelled' })
    expect(alive.map((isAlive) => isAlive())).toEqual([false, false])
    await expect(handle.result).rejects.toMatchObject({ code: 'run_cancelled', run: handle.id })
    expect(told).toMatchObject([
      { code: 'run_cancelled', session: 'bottom', message: expect.stringContaining('its parent, run') },
      { code: 'run_cancelled', session: 'middle', message: expect.stringContaining(handle.id) },
    ])
    const outcomes = (await outcomesOf(supervisor)).sort((a, b) => a.endedAt.localeCompare(b.endedAt))
    expect(outcomes.map(({ session, cause }) => [session, cause])).toEqual([
      ['bottom', 'parent_ended'],
      ['middle', 'parent_ended'],
      ['top', 'cancelled'],
    ])
    expect(outcomes[1]?.parent).toBe(handle.id)
    // Their sessions are free.
    for (const session of ['top', 'middle', 'bottom'])
      expect(await supervisor.run({ session }, () => 'ran')).toBe('ran')
    await supervisor.close()
  })

  test('a parent that returns leaves none behind, a waiting one neither', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    const held = await supervisor.begin({ session: 'held' })
    const ends: Array<Promise<unknown>> = []
    await supervisor.run({ session: 'top' }, async (top) => {
      const began = Promise.withResolvers<void>()
      ends.push(
        top.subagent({ session: 'left' }, async (sub) => {
          began.resolve()
          await new Promise((resolve) => sub.signal.addEventListener('abort', resolve))
        }),
        top.subagent({ session: 'held' }, () => {}),
      )
      for (const end of ends) end.catch(() => {})
      await began.promise
    })
    for (const end of ends) await expect(end).rejects.toMatchObject({ code: 'run_cancelled' })
    const outcomes = await outcomesOf(supervisor)
    expect(outcomes.filter(({ cause }) => cause === 'parent_ended')).toHaveLength(2)
    expect(outcomes.find(({ session }) => session === 'top')).toMatchObject({ state: 'succeeded' })
    await held.end()
    await supervisor.close()
  })

  test('an ended parent starts none: P6', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const late = Promise.withResolvers<Run>()
    await supervisor.run({}, (run) => late.resolve(run))
    await expect((await late.promise).subagent({}, () => {})).rejects.toMatchObject({ code: 'run_ended' })
    await expect(supervisor.run({ parent: 'nobody' }, () => {})).rejects.toMatchObject({ code: 'run_ended' })
    await supervisor.close()
  })

  test('a child’s true end reaches its parent: a subagent that times out is no success', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await supervisor.run({}, async (run) => {
      const slow = run.subagent({ timeout: '50ms' }, async (sub) => {
        await sub.exec('sleep', ['600'])
        return 'done'
      })
      await expect(slow).rejects.toMatchObject({ code: 'run_timed_out', name: 'TimeoutError' })
      await expect(
        run.subagent({}, () => {
          throw new RangeError('its own')
        }),
      ).rejects.toThrow(RangeError)
    })
    await supervisor.close()
  })

  test('P5: one that has timed out stays so, whose parent ends while its callback hangs', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await supervisor.run({ session: 'top' }, async (top) => {
      const heard = Promise.withResolvers<void>()
      const slow = top.subagent({ session: 'slow', timeout: 1, grace: '10s' }, (sub) => {
        sub.signal.addEventListener('abort', () => heard.resolve())
        return new Promise(() => {})
      })
      slow.catch(() => {})
      await heard.promise
      // A tree makes the parent's stop one that is written down before its end.
      top.exec('sleep', ['600']).catch(() => {})
    })
    const slow = (await outcomesOf(supervisor)).find(({ session }) => session === 'slow')
    expect(slow).toMatchObject({ state: 'timed_out', cause: 'timed_out', callback: 'left_behind' })
    await supervisor.close()
  })

  // Without grace the commands are killed with the tree that they are in, before they have heard of any end.
  test.for([{ grace: '200ms' }, { grace: 0 }] as const)(
    'three deep through real commands: the outermost is cancelled with grace $grace, and all are told truly',
    async ({ grace }, { scene }) => {
      const supervisor = await openSupervisor({ state: scene.state, ...bounds })
      const coppice = `${process.execPath} ${scene.command}`
      const inner = `${coppice} run --session inner --grace 200ms -- sh -c 'echo $$; exec sleep 600'`
      const handle = supervisor.start({ session: 'outer' }, async (run) => {
        const middle = `${coppice} run --session middle --grace 200ms -- sh -c "${inner.replaceAll('$', '\\$')}"`
        const tool = run.exec('sh', ['-c', middle], { env: { COPPICE_STATE: scene.state } })
        for await (const line of tool) pid.resolve(Number(line))
        await tool
      })
      const pid = Promise.withResolvers<number>()
      const innermost = living(await pid.promise)
      const live = await supervisor.runs({ state: 'live' })
      const runIn = (session: string) => live.find((run) => run.session === session)
      expect(live).toHaveLength(3)
      expect(runIn('inner')?.parent).toBe(runIn('middle')?.run)
      expect(runIn('middle')?.parent).toBe(handle.id)
      await handle.cancel({ grace })
      expect(isAlive(innermost.pid, innermost.startTime)).toBe(false)
      for (const session of ['outer', 'middle', 'inner']) {
        const { outcome, parent } = (await supervisor.show(runIn(session)?.run ?? '')) ?? {}
        expect(outcome, session).toMatchObject({ state: 'cancelled', parent: runIn(session)?.parent ?? null })
        expect(parent).toBe(runIn(session)?.parent ?? null)
        expect(await supervisor.run({ session }, () => 'ran')).toBe('ran')
      }
      await supervisor.close()
    },
  )

  test('P6: a command in the tree of a run that stops starts none, and says why', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    const said: string[] = []
    const handle = supervisor.start({ session: 'outer', grace: '20s' }, async (run) => {
      const late = `${process.execPath} ${scene.command} run --session late -- echo started`
      const script = `trap '${late} 2>&1; echo "exit $?"; exit' TERM; echo ready; sleep 600 & wait`
      const tool = run.exec('bash', ['-c', script], { env: { COPPICE_STATE: scene.state } })
      for await (const line of tool) {
        said.push(line)
        ready.resolve()
      }
      await tool
    })
    const ready = Promise.withResolvers<void>()
    await ready.promise
    await handle.cancel()
    const why = `coppice: parent run ${handle.id} is stopping: it starts no subagent`
    expect(said).toEqual(['ready', why, 'exit 125'])
    expect((await outcomesOf(supervisor)).map(({ session }) => session)).toEqual(['outer'])
    await supervisor.close()
  })

  test('one whose process is stopped is taken from it', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, ...bounds, drainBound: '100ms' })
    const parent = await supervisor.begin({ session: 'top' })
    const host = scene.host('host-is-a-subagent.mjs', [parent.id])
    const child = await host.lines.after('ready ')
    host.child.kill('SIGSTOP')
    await eventually(() => isStopped(host.pid))
    // A command in its own tree is how a run gets a subagent in another process.
    await parent.exec('true')
    expect(await parent.end()).toMatchObject({ state: 'succeeded' })
    expect((await supervisor.show(child))?.outcome).toMatchObject({
      state: 'cancelled',
      cause: 'parent_ended',
    })
    expect(scene.living()).toEqual([])
    host.child.kill('SIGCONT')
    await supervisor.close()
  })

  test('P9: a family whose process was killed is recovered from the bottom up', async ({ scene }) => {
    await familyDies(scene)
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await supervisor.run({ session: 'parent' }, () => {})
    const outcomes = (await outcomesOf(supervisor)).filter(({ state }) => state !== 'succeeded')
    expect(outcomes.map(({ session, state }) => [session, state]).sort()).toEqual([
      ['child', 'lost'],
      ['parent', 'lost'],
    ])
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('P9, P10: who wants but the parent’s session finds all of a dead family lost, not ended by its parent', async ({
    scene,
  }) => {
    // Open before the death, and not to wait: it recovers the run that it meets alone.
    const supervisor = await openSupervisor({ state: scene.state, ...bounds })
    await familyDies(scene)
    await supervisor.run({ session: 'parent', ifBusy: 'refuse' }, () => {})
    const outcomes = (await outcomesOf(supervisor)).filter(({ state }) => state !== 'succeeded')
    expect(outcomes.map(({ session, cause }) => [session, cause]).sort()).toEqual([
      ['child', 'lost'],
      ['parent', 'lost'],
    ])
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })
})
