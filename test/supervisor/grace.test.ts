import { readdirSync, readFileSync } from 'node:fs'
import { type Duration, type ExecHandle, type ExecResult, openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { Lines } from '../support/lines.ts'
import { fixture, test } from '../support/scene.ts'

/** Says each SIGTERM, and how often it has slept 20 ms since the first: its own clock, beside ours. */
const stubborn =
  'trap "echo heard; heard=1" TERM; echo ready; while :; do sleep 0.02; [ -z "$heard" ] || echo tick; done'

describe.for(kindsHere)('case 6: the grace, by %s', (containment) => {
  async function inTool<T>(
    state: string,
    grace: Duration,
    work: (tool: ExecHandle, lines: Lines) => Promise<T>,
  ) {
    const supervisor = await openSupervisor({ state, containment })
    const result = await supervisor.run({}, async (run) => {
      const tool = run.exec('bash', ['-c', stubborn], { grace })
      const lines = new Lines(tool.stdout)
      await lines.after('ready')
      return work(tool, lines)
    })
    await supervisor.close()
    return result
  }
  const heard = ({ stdout }: ExecResult) => stdout.split('\n').filter((line) => line === 'heard').length

  test('of zero kills at once', async ({ scene }) => {
    const result = await inTool(scene.state, '10m', async (tool) => {
      const begun = performance.now()
      const result = await tool.cancel({ grace: 0 })
      expect(performance.now() - begun).toBeLessThan(30_000)
      return result
    })
    expect(result).toMatchObject({ ended: 'cancelled', forced: true, exit: { signal: 'SIGKILL' } })
  })

  test('ends with a kill, and not before: a second, plain cancel joins the first and the tool hears one signal', async ({
    scene,
  }) => {
    const result = await inTool(scene.state, '2s', async (tool, lines) => {
      const begun = performance.now()
      const first = tool.cancel()
      await lines.after('heard')
      const second = tool.cancel()
      const result = await first
      const took = performance.now() - begun
      expect(await second).toEqual(result)
      expect(took).toBeGreaterThanOrEqual(2000)
      expect(took, 'the kill comes in its time').toBeLessThan(20_000)
      return result
    })
    expect(result).toMatchObject({ ended: 'cancelled', forced: true, exit: { signal: 'SIGKILL' } })
    expect(heard(result)).toBe(1)
    // It has lived for some of the grace by its own account: on a machine under load it sleeps longer than it asked.
    expect(result.stdout).toContain('tick')
  })

  test('is over at once when a cancel with grace 0 follows', async ({ scene }) => {
    const result = await inTool(scene.state, '10m', async (tool, lines) => {
      void tool.cancel()
      await lines.after('heard')
      return tool.cancel({ grace: 0 })
    })
    expect(result).toMatchObject({ ended: 'cancelled', forced: true })
    expect(result.durationMs).toBeLessThan(60_000)
    expect(heard(result)).toBe(1)
  })

  test('is as long while the wall clock jumps by hours, and so is the timeout', async ({ scene }) => {
    const argv = [fixture('host-of-one-timeout.mjs'), containment, '2s', '700ms', 'bash', '-c', stubborn]
    // By the environment it reaches the keeper's thread as well.
    const env = { NODE_OPTIONS: `--import ${fixture('jumps-in-time.mjs')}` }
    const { code, stdout, stderr } = await scene.node(argv, { env }).exited
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { ended, forced, tookMs, jumpedMs } = JSON.parse(stdout)
    expect({ ended, forced }).toEqual({ ended: 'timed_out', forced: true })
    expect(tookMs).toBeGreaterThanOrEqual(2700)
    expect(tookMs).toBeLessThan(30_000)
    expect(Math.abs(jumpedMs), 'it did jump').toBeGreaterThan(3_000_000)
  })
})

test('case 6: guards and launcher ask no clock but the monotonic one', () => {
  const folder = new URL('../../native-helpers/linux/', import.meta.url)
  const sources = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'))
  const asked = sources.flatMap(
    (source) => source.match(/\b(CLOCK_\w+|gettimeofday|time|ftime|alarm|setitimer)(?=\s*[,(])/g) ?? [],
  )
  expect(new Set(asked)).toEqual(new Set(['CLOCK_MONOTONIC']))
})
