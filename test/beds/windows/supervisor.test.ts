import { type Outcome, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { isAlive, killIfAlive, type Living, living, parentOf } from '../../support/alive.ts'
import { eventually } from '../../support/eventually.ts'
import { fixture, type Scene, type Started, test } from '../../support/scene.ts'

/** Under load a process may take seconds to begin or to be gone. */
const patience = { within: 30_000 }
const empty = { containment: 'job', proof: 'empty', survivors: [] }

/** A gateway of its own process whose one run has one tree. */
function gateway(scene: Scene, grace: string, command: string, ...args: string[]): Started {
  return scene.host('host-of-one-tool.mjs', ['job', grace, command, ...args], { stdin: 'pipe' })
}

async function grandchildren({ lines }: Started): Promise<Living[]> {
  await lines.after('ready')
  const pids = lines.all.flatMap((line) => / (\d+)$/.exec(line)?.[1] ?? [])
  // What was refused to break away says an error's number.
  return pids.filter((pid) => pid !== '5').map((pid) => living(Number(pid)))
}

const dead = (found: readonly Living[]) => found.every(({ pid, startTime }) => !isAlive(pid, startTime))

describe('a supervisor on Windows', () => {
  test('P5: tells the exit, the output and the proof of each command, and why each run ended', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '200ms' })
    await supervisor.run({ session: 'a' }, async (run) => {
      const failed = await run.exec('sh', ['-c', 'echo out; echo err >&2; exit 3'])
      expect(failed).toMatchObject({ exit: { code: 3, signal: null }, ended: 'exited', tree: empty })
      expect([failed.stdout, failed.stderr]).toEqual(['out\n', 'err\n'])
      expect((await run.exec('cat', [], { input: 'to and fro' })).stdout).toBe('to and fro')
      await expect(run.exec('no-such-command-here')).rejects.toMatchObject({ code: 'command_not_found' })
      const late = await run.exec('sleep', ['1000'], { timeout: 300 })
      expect(late).toMatchObject({ ended: 'timed_out', tree: empty })
    })
    const cancelled = supervisor.start({ session: 'a' }, (run) =>
      run.exec('bash', ['-c', 'trap "" TERM; sleep 1000']),
    )
    cancelled.result.catch(() => {})
    await eventually(async () => (await supervisor.trees(cancelled.id)).length === 1, patience)
    expect(await cancelled.cancel('enough')).toMatchObject({ state: 'cancelled', forced: true })
    const slow = supervisor.start({ session: 'a', timeout: 1_000 }, (run) => run.exec('sleep', ['1000']))
    slow.result.catch(() => {})
    expect(await slow.outcome).toMatchObject({ state: 'timed_out', trees: 1, tree: { proof: 'empty' } })
    await supervisor.close()
    expect(scene.living()).toEqual([])
  })

  test('case 5: lets a handler finish in its grace, and then is not forced', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, grace: '60s' })
    const handle = supervisor.start({}, async (run) => {
      const tool = run.exec(fixture('finishes-on-sigterm.sh'), [])
      for await (const line of tool) if (line === 'ready') void run.cancel('enough')
    })
    handle.result.catch(() => {})
    expect(await handle.outcome).toMatchObject({
      state: 'cancelled',
      forced: false,
      tree: { proof: 'empty' },
    })
    await supervisor.close()
  })

  test('P3: cancels a tree whose grandchildren tried every way out', async ({ scene }) => {
    const host = gateway(scene, '200ms', 'grandchildren')
    const found = await grandchildren(host)
    host.child.stdin?.write('cancel\n')
    const outcome: Outcome = JSON.parse(await host.lines.after('outcome '))
    expect(outcome).toMatchObject({
      state: 'cancelled',
      forced: true,
      tree: { proof: 'empty', survivors: [] },
    })
    expect(found).toHaveLength(5)
    expect(dead(found)).toBe(true)
  })

  test('case 12: that is killed leaves nothing, and the next one frees its session with the proof of its helper', async ({
    scene,
  }) => {
    const host = gateway(scene, '200ms', 'grandchildren')
    const found = await grandchildren(host)
    host.child.kill('SIGKILL')
    await host.died
    const next = await openSupervisor({ state: scene.state })
    expect(await next.run({ session: 'a', wait: '40s' }, () => scene.living())).toEqual([])
    expect(dead(found)).toBe(true)
    const [lost] = (await next.runs({ state: 'lost' })) ?? []
    expect(lost?.outcome).toMatchObject({
      state: 'lost',
      cause: 'lost',
      tree: { proof: 'empty', survivors: [] },
    })
    await next.close()
  })

  test('case 12: whose helper is killed reports its command as lost, and its session is free', async ({
    scene,
  }) => {
    const host = gateway(scene, '200ms', 'grandchildren')
    const found = await grandchildren(host)
    // Its root is the parent of all of them, and the helper that one's.
    const root = parentOf(found[0]?.pid ?? 0)
    killIfAlive(living(parentOf(root)))
    expect(JSON.parse(await host.lines.after('outcome '))).toMatchObject({
      state: 'failed',
      tree: { proof: 'unproven' },
    })
    expect(dead(found)).toBe(true)
  })

  test('case 22: wakes a waiter of another process through its named pipe', async ({ scene }) => {
    const first = await openSupervisor({ state: scene.state })
    const run = await first.begin({ session: 'held' })
    const second = gateway(scene, '200ms', 'true')
    await second.lines.after('outcome ')
    const other = await openSupervisor({ state: scene.state })
    const waiting = other.run({ session: 'held', wait: '40s' }, () => 'mine')
    await eventually(async () => (await first.sessions()).some(({ waiting }) => waiting > 0), patience)
    const released = performance.now()
    await run.end()
    expect(await waiting).toBe('mine')
    // Who only looks at the store now and then looks once in a while: that would be later.
    expect(performance.now() - released).toBeLessThan(5_000)
    await other.close()
    await first.close()
  })
})
