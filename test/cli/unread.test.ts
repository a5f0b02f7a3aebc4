/** What the command does where nobody reads what it says: an ordinary day of `| head`, a closed terminal, a full disk. */
import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { openStore } from '#src/store/open.js'
import { eventually } from '../support/eventually.ts'
import { command, type Scene, test } from '../support/scene.ts'

/** Runs the command with its stdout (1) or stderr (2) a pipe whose reader is gone before it begins. */
function unread(scene: Scene, stream: 1 | 2, ...args: string[]) {
  const script = `exec 3> >(:); wait $!; exec "$@" ${stream}>&3`
  return scene.bash(script, [process.execPath, command, ...args]).exited
}

/** A session with more in its transcript than a pipe holds. */
async function prepare({ state }: Scene): Promise<string> {
  const supervisor = await openSupervisor({ state })
  const handle = supervisor.start({ session: 'a' }, (run) => run.append('x'.repeat(1_000_000)))
  await handle.outcome
  await supervisor.close()
  return handle.id
}

describe('stdout that nobody reads', () => {
  test('what looks ends quietly with 0, for people and for programs', async ({ scene }) => {
    const run = await prepare(scene)
    const looks = [['ps', '--all'], ['sessions'], ['show', run], ['transcript', 'a']]
    for (const args of [['--help'], ...looks, ...looks.map((look) => [...look, '--json'])]) {
      const quietly = { code: 0, signal: null, stderr: '' }
      expect(await unread(scene, 1, ...args), args.join(' ')).toMatchObject(quietly)
    }
  })

  test('a reader that takes a line and goes gets that line, and nothing is said of the rest', async ({
    scene,
  }) => {
    await prepare(scene)
    const script = '"$@" | head -n 1; exit $PIPESTATUS'
    const args = [process.execPath, command, 'transcript', 'a', '--json']
    expect(await scene.bash(script, args).exited).toMatchObject({ code: 0, stdout: '[\n', stderr: '' })
  })

  test('cancel goes on to its end, and leaves the store as it should', async ({ scene }) => {
    for (const session of ['a', 'b', 'c', 'd', 'e']) {
      const run = scene.coppice(['run', '--session', session, '--', 'sh', '-c', 'echo ready; exec sleep 600'])
      await run.lines.after('ready')
      expect(await unread(scene, 1, 'cancel', '--session', session, '--json')).toMatchObject({
        code: 0,
        stderr: '',
      })
      expect(await run.exited).toMatchObject({ code: 143 })
    }
    const store = await openStore(scene.state)
    expect(await store.supervisors(), 'left for others to recover').toEqual([])
    await store.close()
  })

  test('a command that is run meets the closed pipe itself, and its session is free', async ({ scene }) => {
    const run = (script: string) => unread(scene, 1, 'run', '--session', 'a', '--', 'sh', '-c', script)
    expect(await run('echo unread; echo never >&2')).toMatchObject({ code: 141, signal: null, stderr: '' })
    const goesOn = await run('trap "" PIPE; echo unread 2> /dev/null; echo went on >&2; exit 3')
    expect(goesOn).toMatchObject({ code: 3, stderr: 'went on\n' })
    const script = '"$@" | head -n 1; exit $PIPESTATUS'
    const args = [process.execPath, command, 'run', '--session', 'a', '--wait', '0', '--', 'yes']
    expect(await scene.bash(script, args).exited).toMatchObject({ code: 141, stdout: 'y\n', stderr: '' })
    expect(scene.living()).toEqual([])
  })

  test('a full disk is told, with 125', async ({ scene }) => {
    await prepare(scene)
    for (const args of [
      ['ps', '--all'],
      ['transcript', 'a', '--json'],
    ]) {
      const { code, stderr } = await scene.bash('exec "$@" > /dev/full', [process.execPath, command, ...args])
        .exited
      expect(code).toBe(125)
      expect(stderr).toMatch(/^coppice: cannot write to stdout: [^\n]+\n$/)
    }
  })
})

describe('stderr that nobody reads', () => {
  test('every exit code is what it would have been', async ({ scene }) => {
    const holder = scene.coppice(['run', '--session', 'held', '--', 'sleep', '600'])
    await eventually(async () => (await scene.coppice(['ps', '--json']).exited).stdout.includes('running'))
    for (const [code, ...args] of [
      [2, 'no-such-command'],
      [1, 'show', 'no-such-run'],
      [75, 'run', '--session', 'held', '--wait', '0', '--', 'true'],
      [127, 'run', '--session', 'a', '--', 'no-such-command-here'],
      [124, 'run', '--session', 'a', '--timeout', '100ms', '--', 'sleep', '600'],
      [124, 'run', '--session', 'a', '--timeout', '100ms', '--log-level', 'debug', '--', 'sleep', '600'],
      [0, 'run', '--session', 'a', '--wait', '0', '--', 'true'],
    ] as const) {
      expect(await unread(scene, 2, ...args), args.join(' ')).toMatchObject({ code, stdout: '' })
    }
    holder.child.kill('SIGTERM')
    expect(await holder.exited).toMatchObject({ code: 143 })
  })
})
