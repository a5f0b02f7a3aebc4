import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openJob } from '#src/containment/job/job.js'
import { fixture, Launching } from '../../containment/launching.ts'
import { carriers, isAlive, killIfAlive, type Living, living, parentOf } from '../../support/alive.ts'
import { eventually } from '../../support/eventually.ts'
import { Lines } from '../../support/lines.ts'
import { againIfUnknown } from '../../support/unknown.ts'
import { helper, useJobs } from './jobs.ts'

const ways = ['plain', 'detached', 'group', 'console', 'windowless']
/** Under load a process may take seconds to be gone. */
const patience = { within: 20_000 }

const jobs = useJobs('coppice escapes ')

/** Each grandchild by the way in which it was started, from what its root says. */
async function grandchildren(out: Lines): Promise<Living[]> {
  const found: Living[] = []
  for (const way of ways) found.push(living(Number(await out.after(`${way} `))))
  expect(await out.after('breakaway '), 'who asks for breakaway is refused (error 5)').toBe('refused 5')
  await out.after('ready')
  return found
}

const dead = (found: readonly Living[]) => found.every(({ pid, startTime }) => !isAlive(pid, startTime))

describe('grandchildren that are detached, in a new group, on a new console, windowless', () => {
  test('case 8: without a job they live on when their root is killed: the control', async () => {
    const mark = `control-${randomUUID()}`
    const env = { ...process.env, COPPICE_TREE: mark }
    const root = againIfUnknown(() =>
      spawn('grandchildren', [], { stdio: ['ignore', 'pipe', 'ignore'], env, detached: true }),
    )
    const out = new Lines(root.stdout)
    for (const way of ways) await out.after(`${way} `)
    await out.after('ready')
    root.kill('SIGKILL')
    await once(root, 'exit')
    const left = carriers(mark).length
    await eventually(() => {
      const found = carriers(mark)
      // Each may be what keeps a console's host alive, or what that starts.
      found.forEach(killIfAlive)
      return found.length === 0
    }, patience)
    expect(left).toBeGreaterThanOrEqual(ways.length)
  })

  test('case 8: are dead at a cancel', async () => {
    const { tree, out } = await jobs.launching.launch('grandchildren')
    const found = await grandchildren(out)
    await tree.terminate(100)
    await tree.emptied
    expect(await tree.exited).toEqual({ code: null, signal: 'SIGKILL' })
    const report = await tree.report()
    expect(report).toMatchObject({ containment: 'job', proof: 'empty', survivors: [] })
    expect(report.killed).toBeGreaterThanOrEqual(ways.length + 1)
    expect(dead(found)).toBe(true)
  })

  test('case 8: are dead at the timeout, which their helper keeps by itself', async () => {
    const bounds = { timeout: 3_000, grace: 100, killBound: 10_000 }
    const { tree, out } = await jobs.launching.launch('grandchildren', [], { bounds })
    const found = await grandchildren(out)
    expect(await tree.stopped).toBe('timed_out')
    await tree.emptied
    expect(dead(found)).toBe(true)
  })

  test('case 7: are dead when their root has exited and nothing may linger', async () => {
    const bounds = { timeout: Number.POSITIVE_INFINITY, grace: 100, killBound: 10_000 }
    const { tree, out } = await jobs.launching.launch('grandchildren', ['exit'], { bounds, linger: 'stop' })
    expect(await tree.exited).toEqual({ code: 5, signal: null })
    expect(await tree.stopped).toBe('exited')
    await tree.emptied
    await out.ended
    const pids = ways.map((way) => Number(out.all.find((line) => line.startsWith(way))?.split(' ')[1]))
    expect((await tree.report()).lingered.map(({ pid }) => pid)).toEqual(expect.arrayContaining(pids))
    expect((await tree.report()).proof).toBe('empty')
  })

  test('case 12: are dead when their helper is killed, which nobody can prove then', async () => {
    const { tree, out } = await jobs.launching.launch('grandchildren')
    const found = await grandchildren(out)
    killIfAlive(living(parentOf(tree.root.pid)))
    expect(await tree.stopped).toBe('lost')
    await tree.emptied
    expect(dead(found)).toBe(true)
    expect(await tree.exited).toEqual({ code: null, signal: null })
    expect(await tree.report()).toMatchObject({ containment: 'job', proof: 'unproven', survivors: [] })
  })

  test('case 12: are dead when their supervisor is killed; their helper leaves word, and a sweep has the proof by it', async () => {
    const word = join(jobs.folder, `${randomUUID()}.end`)
    const argv = [
      fixture('windows/launches-in-a-job.mjs'),
      jobs.launching.run,
      `${jobs.launching.run}-left`,
      word,
      '100',
    ]
    const supervisor = againIfUnknown(() =>
      spawn(process.execPath, [...argv, 'grandchildren'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    const out = new Lines(supervisor.stdout)
    const root = JSON.parse(await out.after('root '))
    const found = await grandchildren(out)
    supervisor.kill('SIGKILL')
    await once(supervisor, 'exit')
    const target = {
      run: jobs.launching.run,
      roots: [root],
      lastWords: [word],
      grace: 5_000,
      killBound: 10_000,
    }
    const report = await jobs.containment.sweep(target)
    expect(report).toMatchObject({ containment: 'job', proof: 'empty', survivors: [] })
    expect(report.killed).toBeGreaterThanOrEqual(ways.length + 1)
    expect(dead([...found, root])).toBe(true)
  })

  test('case 8: a program that starts its like and goes, again and again, is outrun', async () => {
    const { tree, out } = await jobs.launching.launch('grandchildren', ['hop', '100000'])
    await out.after('hop')
    await eventually(() => out.all.length > 5, patience)
    tree.kill()
    await tree.emptied
    expect(await tree.report()).toMatchObject({ proof: 'empty', survivors: [] })
    await out.ended
  })
})

describe('a helper', () => {
  test('P4: ends its tree before its lease ends, whoever lives', async () => {
    const bounds = { timeout: Number.POSITIVE_INFINITY, grace: 200, killBound: 500 }
    const own = await openJob({ helper })
    const now = () => Number(process.hrtime.bigint() / 1_000_000n)
    own.renew(now() + 8_000, 30_000)
    const leased = new Launching(own)
    const { tree } = await leased.launch('sleep', ['1000'], { bounds })
    own.renew(now() + 6_000, 30_000) // An earlier moment than the last one is ignored.
    expect(await tree.stopped).toBe('lost')
    await tree.emptied
    expect((await tree.report()).proof).toBe('empty')
    own.renew(now() + 1_000, 30_000)
    const late = leased.launch('sleep', ['1000'], { bounds })
    await expect(late, 'a launch that would outlive its lease').rejects.toMatchObject({
      code: 'launch_failed',
    })
    await leased.assertNothingLives()
    await own.close()
  })

  test('P9: whose supervisor does not answer ends its tree when it is told to, with its grace and its proof', async () => {
    const bounds = { timeout: Number.POSITIVE_INFINITY, grace: 30_000, killBound: 10_000 }
    const { tree, out } = await jobs.launching.launch(fixture('finishes-on-sigterm.sh'), [], { bounds })
    await out.after('ready')
    const other = await openJob({ helper })
    const report = await other.sweep({
      run: jobs.launching.run,
      roots: [tree.root],
      lastWords: [],
      grace: 30_000,
      killBound: 5_000,
    })
    expect(report).toMatchObject({ proof: 'unproven', killed: 0, survivors: [] })
    expect(await tree.exited).toEqual({ code: 17, signal: null })
    await tree.emptied
    expect(await tree.report()).toMatchObject({ proof: 'empty', killed: 0 })
  })
})
