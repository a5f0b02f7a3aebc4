import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { self } from '#src/containment/processes/processes.js'
import { parseLine, usageOf } from '#src/containment/processes/usage.js'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { type Scene, test } from '../support/scene.ts'

interface Shown {
  readonly run: string
  readonly trees: ReadonlyArray<{
    readonly tree: string
    readonly pid: number
    readonly processes: ReadonlyArray<{
      readonly pid: number
      readonly ppid: number
      readonly name: string
      readonly state: string
      readonly ageMs: number
      readonly cpuMs: number
      readonly residentBytes: number
    }>
  }>
}

async function tree(scene: Scene): Promise<Shown[]> {
  const { code, stdout, stderr } = await scene.coppice(['ps', '--tree', '--json']).exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('ps --tree', () => {
  test('draws each run’s processes, with subagents below their parents and what lost its parent too', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    const ready = Promise.withResolvers<void>()
    // A shell that burns, a child that is stopped, and one whose parent is gone and that has scrubbed its environment.
    // A guard has what nothing else would find again.
    const scrub = bestHere.containment === 'group' ? '' : 'env -i '
    const script = `kill -STOP $BASHPID & (${scrub}/bin/sleep 600 & exec true); echo ready; while :; do :; done`
    const parent = supervisor.start({ session: 'parent' }, async (run) => {
      await run.subagent({ session: 'child' }, async (sub) => {
        for await (const _ of sub.exec('bash', ['-c', script])) ready.resolve()
      })
    })
    await ready.promise
    const [child, ...rest] = await eventually(
      async () => {
        const shown = await tree(scene)
        const states = shown[0]?.trees[0]?.processes.map(({ state }) => state) ?? []
        return (
          states.includes('stopped') && states.includes('sleeping') && states.includes('running') && shown
        )
      },
      { within: 20_000 },
    ).then((shown) => shown || [])
    expect(rest).toMatchObject([{ run: parent.id, trees: [] }])
    const processes = child?.trees[0]?.processes ?? []
    const root = processes.find(({ pid }) => pid === child?.trees[0]?.pid)
    expect(root).toMatchObject({ name: 'bash', state: 'running' })
    expect(root?.ageMs).toBeLessThan(60_000)
    expect(root?.residentBytes).toBeGreaterThan(100 * 1024)
    await eventually(async () => ((await tree(scene))[0]?.trees[0]?.processes.at(0)?.cpuMs ?? 0) >= 50)
    const orphan = processes.find(({ name }) => name === 'sleep')
    expect(
      processes.map(({ pid }) => pid),
      'its parent is none of the tree',
    ).not.toContain(orphan?.ppid)
    expect(processes.some(({ name }) => name.startsWith('coppice'))).toBe(false)

    const { stdout } = await scene.coppice(['ps', '--tree']).exited
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^RUN +PID +STATE +AGE +CPU +MEMORY$/)
    expect(lines[1]).toMatch(
      new RegExp(`^${parent.id}  parent  \\(supervisor ${process.pid}@.*\\) +running `),
    )
    expect(lines[2]).toMatch(/^└─ r\w+ {2}child {2}\(.*\) +running +\S+ +\d+\.\ds +\d+MB$/)
    expect(lines[3]).toMatch(
      new RegExp(`^ {3}└─ bash -c kill .* ${bestHere.containment} +\\S+ +\\d+\\.\\ds +\\d+MB$`),
    )
    expect(stdout).toMatch(/\n {6}[├└]─ bash +\d+ +running +/)
    expect(stdout).toMatch(/\n {6}[│ ] {2}[├└]─ bash +\d+ +stopped +/)
    expect(stdout).toMatch(/\n {6}[├└]─ sleep +\d+ +sleeping +/)
    expect(stdout, 'no colour where there is no terminal').not.toContain('\u001b')
    await parent.cancel({ grace: 0 })
    await supervisor.close()
  })

  test('says so where nothing runs', async ({ scene }) => {
    expect(await tree(scene)).toEqual([])
    expect((await scene.coppice(['ps', '--tree']).exited).stdout).toMatch(/^RUN +PID/)
  })
})

test('by ps, where there is no /proc: times and sizes in its words', () => {
  expect(parseLine('  731 02-03:04:05 1:02.50 2048 U+ Thu Nov 20 23:37:00 2025')).toEqual([
    {
      pid: 731,
      startTime: 'Thu Nov 20 23:37:00 2025',
      state: 'waiting',
      ageMs: (2 * 86_400 + 3 * 3600 + 4 * 60 + 5) * 1000,
      cpuMs: 62_500,
      residentBytes: 2 * 1024 ** 2,
    },
  ])
  expect(parseLine('')).toEqual([])
})

test('what a number has used is told of the process that is meant, and of no other that has the number', async () => {
  const own = await self()
  const [usage] = await usageOf([own])
  expect(usage).toMatchObject({ pid: process.pid, state: expect.stringMatching(/^(running|sleeping)$/) })
  const { heapTotal, rss } = process.memoryUsage()
  expect(usage?.residentBytes).toBeGreaterThan(heapTotal / 2)
  expect(usage?.residentBytes).toBeLessThan(rss * 2)
  const { user, system } = process.cpuUsage()
  expect(Math.abs((usage?.cpuMs ?? 0) - (user + system) / 1000)).toBeLessThan(1_000)
  expect(Math.abs((usage?.ageMs ?? 0) - process.uptime() * 1000)).toBeLessThan(5_000)
  expect(await usageOf([{ pid: process.pid, startTime: '1' }])).toEqual([])
  expect(await usageOf([])).toEqual([])
})
