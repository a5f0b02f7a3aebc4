import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ExecOptions, openSupervisor, type Supervisor } from 'coppice'
import { exec } from 'coppice/exec'
import { describe, expect } from 'vitest'
import { bestHere } from '../support/containment.ts'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

const kinds = [...new Set([bestHere.containment, 'group'] as const)]

/** Says each SIGTERM, and ends some time after the first, so that a second one is heard too. */
const handlerFor = (twentieths: number) => `bash -c 'trap "echo heard; end=1" TERM; echo up
  while [ -z "$end" ]; do sleep 0.02; done
  for ((i = 0; i < ${twentieths}; i++)); do sleep 0.05; done'`
const handler = handlerFor(10)

describe.for(kinds)('how a tree is asked to end, by %s', (containment) => {
  /** Runs a line of bash, cancels it when it has said `up`, and gives its result. */
  async function cancelled(supervisor: Supervisor, script: string, options: ExecOptions) {
    return supervisor.run({}, async (run) => {
      const tool = run.exec('bash', ['-c', script], { grace: '20s', ...options })
      const { stdout } = tool
      await eventually(() => stdout.readableLength > 0)
      stdout.resume()
      return tool.cancel()
    })
  }
  const open = (state: string) => openSupervisor({ state, containment })

  test('case 19a: under a wrapper that forwards SIGTERM a handler gets one with terminate: root, and two without', async ({
    scene,
  }) => {
    const supervisor = await open(scene.state)
    const forwards = `trap 'sleep 0.2; kill -TERM $!' TERM; ${handlerFor(60)} & wait; wait`
    const once = await cancelled(supervisor, forwards, { terminate: 'root' })
    expect(once).toMatchObject({ stdout: 'up\nheard\n', forced: false, ended: 'cancelled' })
    expect(await cancelled(supervisor, forwards, {})).toMatchObject({ stdout: 'up\nheard\nheard\n' })
    await supervisor.close()
  })

  test('case 19a: it still gets one where the wrapper dies of it, or keeps it for itself', async ({
    scene,
  }) => {
    const supervisor = await open(scene.state)
    const options = { terminate: 'root', grace: '6s' } as const
    const dies = await cancelled(supervisor, `${handler} & wait`, options)
    expect(dies).toMatchObject({ stdout: 'up\nheard\n', exit: { signal: 'SIGTERM' }, forced: false })
    const keeps = await cancelled(supervisor, `trap : TERM; ${handler} & child=$!; wait; wait`, options)
    expect(keeps).toMatchObject({ stdout: 'up\nheard\n', forced: false })
    expect(keeps.durationMs).toBeGreaterThanOrEqual(3000)
    await supervisor.close()
  })

  test('a program that wants its stdin closed first ends by that, and hears no signal', async ({ scene }) => {
    const supervisor = await open(scene.state)
    const reads = 'trap "echo signalled" TERM; echo up; cat >/dev/null; echo closed; exit 4'
    const options = { stdio: 'pipe', stop: { stdin: 'end' } } as const
    const result = await cancelled(supervisor, reads, options)
    expect(result).toMatchObject({ stdout: 'up\nclosed\n', exit: { code: 4 }, forced: false })
    const late = await supervisor.run({}, (run) =>
      run.exec('bash', ['-c', reads], { ...options, timeout: '200ms', grace: '20s' }),
    )
    expect(late).toMatchObject({ stdout: 'up\nclosed\n', ended: 'timed_out', exit: { code: 4 } })
    await supervisor.close()
  })

  test('a program that does not mind its stdin gets the signal that was asked for, at half the grace', async ({
    scene,
  }) => {
    const supervisor = await open(scene.state)
    const script = 'trap "echo interrupted; exit 3" INT; echo up; while :; do sleep 0.02; done'
    const stop = { stdin: 'end', signal: 'SIGINT' } as const
    const result = await cancelled(supervisor, script, { stdio: 'pipe', stop, grace: '6s' })
    expect(result).toMatchObject({ stdout: 'up\ninterrupted\n', exit: { code: 3 }, forced: false })
    expect(result.durationMs).toBeGreaterThanOrEqual(3000)
    await supervisor.close()
  })
})

describe.for(kinds)('what lingers when the root has exited, by %s', (containment) => {
  const open = (state: string) => openSupervisor({ state, containment, grace: '20s', drainBound: '30s' })
  const linger = 'until-run-ends'

  test('lives until the run ends, which waits for its end; the result comes before, and lists it', async ({
    scene,
  }) => {
    const supervisor = await open(scene.state)
    const file = join(scene.folder, 'said')
    const server = `bash -c 'trap "echo bye > $0; exit" TERM; touch $0.ready; while :; do sleep 0.02; done' ${file}`
    const waits = `while [ ! -e ${file}.ready ]; do sleep 0.02; done`
    const begun = performance.now()
    const handle = supervisor.start({}, async (run) => {
      const result = await run.exec('sh', ['-c', `${server} & ${waits}; echo started`], { linger })
      expect(performance.now() - begun).toBeLessThan(20_000)
      expect(result).toMatchObject({ ok: true, ended: 'exited', stdout: 'started\n', forced: false })
      expect(result.tree).toMatchObject({ proof: 'unproven', survivors: [], killed: 0 })
      expect(result.tree.lingered.map(({ name }) => name)).toContain('bash')
      expect(await run.exec('true')).toMatchObject({ ok: true })
      expect(scene.living().length).toBeGreaterThan(0)
      // A tree’s record is nobody’s to wait for; what its run writes afterwards is stored after it.
      await run.append('after them')
      expect(await supervisor.trees(run.id)).toMatchObject([{ end: null }, {}])
      return run.id
    })
    const id = await handle.result
    expect(scene.living()).toEqual([])
    expect(readFileSync(file, 'utf8')).toBe('bye\n')
    expect(await handle.outcome).toMatchObject({ forced: false, tree: { proof: bestProof(containment) } })
    expect(await supervisor.trees(id)).toMatchObject([{ end: { ended: 'exited', exit: { code: 0 } } }, {}])
    await supervisor.close()
  })

  test('is killed after the grace where it ignores SIGTERM', async ({ scene }) => {
    const supervisor = await open(scene.state)
    const handle = supervisor.start({ grace: '300ms' }, async (run) => {
      await run.exec('bash', ['-c', 'trap "" TERM; sleep 600 & sleep 600 & echo started'], { linger })
    })
    expect(await handle.outcome).toMatchObject({ state: 'succeeded', forced: true })
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('is neither stopped nor killed by writing what nobody reads, nor by the command’s timeout', async ({
    scene,
  }) => {
    const supervisor = await open(scene.state)
    const [go, done, late] = ['go', 'done', 'late'].map((name) => join(scene.folder, name)) as [
      string,
      string,
      string,
    ]
    const writes = `while [ ! -e ${go} ]; do sleep 0.02; done; head -c 3000000 /dev/zero && touch ${done}; sleep 600`
    await supervisor.run({}, async (run) => {
      const noisy = await run.exec('sh', ['-c', `echo said; (${writes}) & echo more`], { linger })
      expect(noisy).toMatchObject({ stdout: 'said\nmore\n' })
      writeFileSync(go, '')
      await eventually(() => existsSync(done))
      const timed = await run.exec('sh', ['-c', `(sleep 6; touch ${late}; sleep 600) & true`], {
        linger,
        timeout: '5s',
      })
      expect(timed).toMatchObject({ ok: true })
      await eventually(() => existsSync(late))
    })
    expect(scene.living()).toEqual([])
    await supervisor.close()
  })

  test('is ended by its handle’s cancel, and recorded where it ends by itself', async ({ scene }) => {
    const supervisor = await open(scene.state)
    await supervisor.run({}, async (run) => {
      const tool = run.exec('sh', ['-c', 'sleep 600 & true'], { linger })
      await tool
      await eventually(() => scene.living().length === 1)
      await tool.cancel()
      await eventually(() => scene.living().length === 0)
      const file = join(scene.folder, 'go')
      await run.exec('sh', ['-c', `while [ ! -e ${file} ]; do sleep 0.02; done & true`], { linger })
      writeFileSync(file, '')
      await eventually(async () => (await supervisor.trees(run.id)).every(({ end }) => end !== null))
    })
    await supervisor.close()
  })
})

test('a stop or a linger that cannot be is refused by name', ({ scene }) => {
  expect(scene.living()).toEqual([])
  const refused = (options: object, message: RegExp) =>
    expect(() => exec('true', [], options)).toThrowError(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) }),
    )
  refused({ stop: { signal: 'SIGNAL' } }, /^stop.signal: SIGNAL is no signal/)
  refused({ stop: { signal: 'SIGKILL' } }, /^stop.signal: no program can handle SIGKILL/)
  refused({ stop: { stdin: 'close' }, stdio: 'pipe' }, /^stop.stdin: close is not end/)
  refused({ stop: { stdin: 'end' } }, /^stop.stdin: there is no pipe/)
  refused({ stop: { after: 1 } }, /no option after/)
  refused({ terminate: 'leaf' }, /^terminate: leaf is none of tree, root/)
  refused({ linger: 'keep' }, /^linger: keep is none of/)
  refused({ linger: 'until-run-ends' }, /^linger: until-run-ends is for a command of a run/)
})

function bestProof(containment: string): string {
  return containment === bestHere.containment ? bestHere.proof : 'unproven'
}
