import { describe, expect } from 'vitest'
import { kindsHere } from '../support/containment.ts'
import { fixture, type Scene, type Started, test } from '../support/scene.ts'

interface Result {
  readonly stdout: string
  readonly exit: { readonly code: number | null }
}

async function resultsOf(host: Started): Promise<Result[]> {
  const { code, stdout, stderr } = await host.exited
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe.for(kindsHere)('case 11: what a tool starts with, by %s', (kind) => {
  const hasGuard = kind !== 'group'

  /** The words that follow these in /proc/<pid>/status, and what the tool's descriptors are. */
  async function startedBadly(scene: Scene) {
    const host = fixture('host-of-plain-commands.mjs')
    const commands = ['cat /proc/self/status', 'ls /proc/self/fd', 'readlink /proc/self/cwd']
    const argv = [process.execPath, host, kind, '["ignore","pipe","ignore"]', ...commands]
    const started = scene.bash('cd "$1"; shift; exec "$@"', [
      scene.folder,
      fixture('starts-badly.pl'),
      ...argv,
    ])
    const [status, files, cwd] = (await resultsOf(started)).map(({ stdout }) => stdout)
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status ?? '')?.[1]
    return { field, files: (files ?? '').trim().split('\n').map(Number), cwd: cwd?.trim() }
  }

  test('no signal is blocked or ignored, whatever its supervisor was started with', async ({ scene }) => {
    const { field } = await startedBadly(scene)
    expect(field('SigBlk')).toBe('0000000000000000')
    // Node restores the 31 that have names, for itself and for what it starts; the guard all of them.
    expect(field('SigIgn')).toBe(hasGuard ? '0000000000000000' : 'fffffffe00000000')
    expect(field('SigCgt')).toBe('0000000000000000')
  })

  test('no descriptor but its stdio is open; umask and folder are its supervisor’s', async ({ scene }) => {
    const { files, field, cwd } = await startedBadly(scene)
    // The last one of a guard's is the folder that `ls` reads. Node keeps to itself only the first of those it inherits.
    if (hasGuard) expect(files).toEqual([0, 1, 2, 3])
    else expect(files).toContain(40)
    expect(field('Umask')).toBe('0027')
    expect(cwd).toBe(scene.folder)
  })
})

describe.for(kindsHere)('a supervisor that was started without stdin, by %s', (kind) => {
  test('case 17: its tools have pipes that work, and an inherited stdin that is empty', async ({ scene }) => {
    const run = async (stdio: string, ...commands: string[]) => {
      const argv = [process.execPath, fixture('host-of-plain-commands.mjs'), kind, stdio, ...commands]
      return resultsOf(scene.bash('exec "$@" <&-', argv))
    }
    expect(await run('["inherit","pipe","pipe"]', 'cat', 'readlink /proc/self/fd/0')).toMatchObject([
      { stdout: '', exit: { code: 0 } },
      { stdout: '/dev/null\n' },
    ])
    expect(await run('["ignore","pipe","pipe"]', 'cat', 'echo out')).toMatchObject([
      { stdout: '', exit: { code: 0 } },
      { stdout: 'out\n' },
    ])
  })
})
