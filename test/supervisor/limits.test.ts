import { type ExecOptions, openSupervisor } from 'coppice'
import { exec as execAlone } from 'coppice/exec'
import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { test } from '../support/scene.ts'

/** Buffers what has no line feed: its memory grows to all of it. */
const hoards = 'head -c 400m /dev/zero | tail | sleep 600'

const kinds = kindsHere.filter((kind) => kind !== 'group')

describe.for(kinds)('case 18: over a limit is an ending of its own, by %s', (containment) => {
  const contained = { containment, proof: 'empty' } as const

  async function exec(state: string, command: string, args: readonly string[], options: ExecOptions) {
    const supervisor = await openSupervisor({ state, containment })
    const result = await supervisor.run({}, async (run) => await run.exec(command, args, options))
    await supervisor.close()
    return result
  }

  test('of output: the tree is killed, and what it wrote before is there', async ({ scene }) => {
    const script = 'trap "" TERM; yes & yes >&2 & sleep 600'
    const result = await exec(scene.state, 'bash', ['-c', script], {
      limits: { output: '1MB' },
      timeout: '20s',
    })
    expect(result).toMatchObject({
      ok: false,
      ended: 'over_limit',
      forced: true,
      tree: { ...contained, exceeded: 'output', survivors: [] },
    })
    expect(result.stdout.length + result.stderr.length).toBeGreaterThan(2 ** 20)
    expect(() => result.orThrow()).toThrowError('it went over its output limit of 1MB')
    expect(scene.living()).toEqual([])
    // The same work below its limit, and as much as it may write.
    const full = await exec(scene.state, 'head', ['-c', '1048576', '/dev/zero'], {
      limits: { output: '1MB' },
    })
    expect(full).toMatchObject({ ok: true, ended: 'exited', tree: { exceeded: null } })
  })

  test('of memory: the tree is killed, and the result and its error say so', async ({ scene }) => {
    const result = await exec(scene.state, 'sh', ['-c', hoards], {
      limits: { memory: '64MB' },
      timeout: '20s',
    })
    expect(result).toMatchObject({
      ok: false,
      ended: 'over_limit',
      forced: true,
      exit: { code: null, signal: 'SIGKILL' },
      tree: { ...contained, exceeded: 'memory', survivors: [] },
    })
    expect(() => result.orThrow()).toThrowError(
      'the command was ended: it went over its memory limit of 64MB',
    )
    expect(scene.living()).toEqual([])
  })

  test('of processes', async ({ scene }) => {
    const forks = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done; wait'
    const result = await exec(scene.state, 'sh', ['-c', forks], { limits: { pids: 10 }, timeout: '20s' })
    expect(result).toMatchObject({ ended: 'over_limit', tree: { ...contained, exceeded: 'pids' } })
    expect(() => result.orThrow()).toThrowError('pids limit of 10')
    expect(scene.living()).toEqual([])
    const fits = await exec(scene.state, 'sh', ['-c', 'sleep 0.3 & sleep 0.3 & wait'], {
      limits: { pids: 10 },
    })
    expect(fits).toMatchObject({ ok: true, tree: { exceeded: null } })
  })

  test('also where it is over before its launch is told, as on a busy machine', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, containment })
    const ended = await supervisor.run({}, async (run) => {
      const options = { limits: { pids: 2 }, timeout: '20s' } as const
      const forks = 'sleep 600 & sleep 600 & sleep 600 & wait'
      const launches = Array.from(
        { length: 60 },
        async () => (await run.exec('sh', ['-c', forks], options)).ended,
      )
      return Promise.all(launches)
    })
    expect(ended).toEqual(ended.map(() => 'over_limit'))
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('memory that processes share counts once', async ({ scene }) => {
    expect(scene.living()).toEqual([])
    // Eight processes of 40 MB each, all of it the parent's own pages.
    const shares =
      '$x = "a" x 40_000_000; for (1..7) { fork or do { sleep 1; exit } } sleep 1; 1 while wait > 0'
    expect(await exec(scene.state, 'perl', ['-e', shares], { limits: { memory: '160MB' } })).toMatchObject({
      ok: true,
    })
  })

  test('a run’s and a supervisor’s limits are those of each of their trees, and a command’s own come first', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({
      state: scene.state,
      containment,
      limits: { memory: '64MB', pids: 50 },
    })
    const limits = { memory: '1GB' }
    const ended = (options: ExecOptions, spec = {}) =>
      supervisor.run(spec, async (run) => (await run.exec('sh', ['-c', hoards], options)).tree.exceeded)
    expect(await ended({})).toBe('memory')
    expect(await ended({ timeout: '1s', limits })).toBeNull()
    expect(await ended({ timeout: '1s' }, { limits })).toBeNull()
    await supervisor.close()
  })
})

describe('limits that nobody can hold', () => {
  test('case 18: of output is held by whatever reads it', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, containment: 'group' })
    const { ended, tree } = await supervisor.run({}, (run) =>
      run.exec('yes', [], { limits: { output: '1MB' } }),
    )
    expect({ ended, exceeded: tree.exceeded }).toEqual({ ended: 'over_limit', exceeded: 'output' })
    await supervisor.close()
  })

  test('case 18: are refused, with what would hold them', async ({ scene }) => {
    const supervisor = await openSupervisor({ state: scene.state, containment: 'group' })
    const launch = (limits: ExecOptions['limits']) =>
      supervisor.run({}, (run) => run.exec('true', [], limits === undefined ? {} : { limits }))
    await expect(launch({ memory: '64MB' })).rejects.toMatchObject({
      code: 'launch_failed',
      message:
        'cannot launch true: its memory limit of 64MB needs containment guard or cgroup, and here is group',
    })
    await expect(launch({ pids: 3 })).rejects.toThrowError(/pids limit of 3 needs containment guard/)
    await expect(launch({ cpus: 0.5 })).rejects.toThrowError(/cpus limit of 0.5 needs .* controller cpu/)
    expect(await launch({ memory: Number.POSITIVE_INFINITY })).toMatchObject({ ok: true })
    await supervisor.close()
  })

  test('are refused where they are no limits at all', () => {
    const refused = (limits: object, message: RegExp) =>
      expect(() => execAlone('true', [], { limits })).toThrowError(
        expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) }),
      )
    refused({ memory: 'much' }, /^limits.memory: "much" is no size/)
    refused({ memory: 0 }, /^limits.memory: 0 is not a size above 0/)
    refused({ output: 0 }, /^limits.output: 0 is not a size above 0/)
    refused({ pids: 1.5 }, /^limits.pids: 1.5 is not a whole number from 1 on/)
    refused({ cpus: 0 }, /^limits.cpus: 0 is not a number above 0/)
    refused({ processes: 3 }, /no option processes/)
  })
})
