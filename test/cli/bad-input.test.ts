import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect } from 'vitest'
import { command, type Scene, test } from '../support/scene.ts'

/** One line on stderr, nothing on stdout, and this exit code. */
async function refused(scene: Scene, args: readonly string[], code: number, line: RegExp): Promise<void> {
  const exited = await scene.coppice(args).exited
  expect(exited, args.join(' ')).toMatchObject({ code, stdout: '' })
  expect(exited.stderr, args.join(' ')).toMatch(/^coppice: [^\n]+\n$/)
  expect(exited.stderr, args.join(' ')).toMatch(line)
}

describe('bad input gets one line that names it, and changes nothing', () => {
  test('options and arguments: exit 2', async ({ scene }) => {
    const run = (...args: string[]) => ['run', ...args, '--', 'true']
    await refused(scene, ['no-such-command'], 2, /no-such-command/)
    await refused(scene, run('--tiemout', '5s'), 2, /--tiemout/)
    await refused(scene, run('--timeout', 'soon'), 2, /--timeout .*'soon'.*500ms, 5s, 2m or 1h/)
    await refused(scene, run('--timeout', '5'), 2, /--timeout .*'5'.*unit/)
    await refused(scene, run('--grace', '-1s'), 2, /--grace/)
    await refused(scene, run('--session', ''), 2, /--session/)
    await refused(scene, run('--containment', 'bubblewrap'), 2, /--containment .*cgroup, guard, job, group/)
    await refused(scene, run('--log-level', 'loud'), 2, /--log-level/)
    await refused(scene, ['run'], 2, /command/)
    await refused(scene, ['show'], 2, /run/)
    await refused(scene, ['cancel'], 2, /--session/)
    await refused(scene, ['cancel', 'r1', '--session', 'a'], 2, /not both/)
    await refused(scene, ['transcript', 'a', '--limit', '0'], 2, /--limit/)
    await refused(scene, run('--stall-timeout', 'soon'), 2, /--stall-timeout .*'soon'/)
    await refused(scene, run('--memory', 'much'), 2, /--memory .*'much'.*512KB, 64MB or 1.5GB/)
    await refused(scene, run('--memory', '512'), 2, /--memory .*'512'.*512KB/)
    await refused(scene, run('--pids', '0'), 2, /--pids .*'0'.*from 1 on/)
    await refused(scene, run('--cpus', 'all'), 2, /--cpus .*'all'.*0\.5 or 2/)
    expect(existsSync(scene.state), 'no state was created').toBe(false)
  })

  test('case 2: commands: 127 for a missing one, 126 for a directory or a file without the x bit', async ({
    scene,
  }) => {
    writeFileSync(join(scene.folder, 'plain'), 'echo')
    await refused(scene, ['run', '--', 'no-such-command-here'], 127, /no-such-command-here/)
    await refused(scene, ['run', '--', '/no/such/file'], 127, /\/no\/such\/file/)
    await refused(scene, ['run', '--', scene.folder], 126, new RegExp(scene.folder))
    await refused(scene, ['run', '--', join(scene.folder, 'plain')], 126, /plain/)
    await refused(scene, ['run', '--containment', 'job', '--', 'true'], 125, /job/)
    const env = { COPPICE_CGROUP: '/proc/no/cgroup' }
    const ungiven = await scene.coppice(['run', '--containment', 'cgroup', '--', 'true'], { env }).exited
    expect(ungiven).toMatchObject({
      code: 125,
      stdout: '',
      stderr: expect.stringMatching(/^coppice: .*cgroup.*\n$/),
    })
    const limited = ['run', '--containment', 'group', '--memory', '64MB', '--', 'true']
    await refused(
      scene,
      limited,
      125,
      /memory limit of 64MB needs containment guard or cgroup, and here is group/,
    )
  })

  test('states: 125 for one that cannot be had, and the file is left as it was', async ({ scene }) => {
    const inFolder = (name: string) => join(scene.folder, name)
    const run = (state: string) => ['run', '--state', state, '--', 'true']
    writeFileSync(inFolder('text.db'), 'this is no database, but somebody’s notes\n'.repeat(100))
    const newer = new DatabaseSync(inFolder('newer.db'))
    await scene.coppice(run(inFolder('ours.db'))).exited
    const id = new DatabaseSync(inFolder('ours.db')).prepare('PRAGMA application_id').get()?.application_id
    newer.exec(`CREATE TABLE t(a); PRAGMA application_id = ${id}; PRAGMA user_version = 9999`)
    newer.close()
    new DatabaseSync(inFolder('other.db')).exec('CREATE TABLE somebody_elses(a); PRAGMA application_id = 7')
    mkdirSync(inFolder('folder.db'))
    writeFileSync(inFolder('file'), '')

    for (const [name, line] of [
      ['text.db', /text\.db/],
      ['newer.db', /newer\.db.*(later|newer)/],
      ['other.db', /other\.db/],
    ] as const) {
      const before = readFileSync(inFolder(name))
      const modified = statSync(inFolder(name)).mtimeMs
      await refused(scene, run(inFolder(name)), 125, line)
      expect(readFileSync(inFolder(name)).equals(before), name).toBe(true)
      expect(statSync(inFolder(name)).mtimeMs, name).toBe(modified)
    }
    await refused(scene, run(inFolder('folder.db')), 125, /folder\.db/)
    await refused(scene, run('/proc/no/state.db'), 125, /\/proc\/no/)
    await refused(scene, run(inFolder('file/state.db')), 125, /file/)
    await refused(scene, run('postgres://u:secret@localhost/x'), 2, /postgres/)
    expect((await scene.coppice(run('postgres://u:secret@localhost/x')).exited).stderr).not.toContain(
      'secret',
    )
  })

  test.skipIf(process.getuid?.() === 0)('a state that may not be written: 125', async ({ scene }) => {
    const folder = join(scene.folder, 'closed')
    mkdirSync(folder)
    chmodSync(folder, 0o500)
    await refused(scene, ['run', '--state', join(folder, 's.db'), '--', 'true'], 125, /closed/)
  })

  test('to look where there is no state answers with nothing, and creates none', async ({ scene }) => {
    // A letter and a colon are no scheme of a URL: on Windows every path begins so.
    const likeADrive = ['ps', '--state', 'c:no-such-state.db']
    for (const args of [['ps'], ['sessions'], ['transcript', 'a'], likeADrive]) {
      expect(await scene.coppice([...args, '--json']).exited).toMatchObject({
        code: 0,
        stdout: '[]\n',
        stderr: '',
      })
    }
    await refused(scene, ['show', 'r1'], 1, /r1/)
    await refused(scene, ['cancel', '--session', 'a'], 1, /no state/)
    expect(readdirSync(scene.folder)).toEqual([])
  })

  test('a Node that is too old is told so in one line with the version it needs', async ({ scene }) => {
    const old = `data:text/javascript,${encodeURIComponent("Object.defineProperty(process.versions, 'node', { value: '20.20.2' })")}`
    const { code, stdout, stderr } = await scene.coppice(['--version'], {
      env: { NODE_OPTIONS: `--import=${old}` },
    }).exited
    expect({ code, stdout, stderr }).toEqual({
      code: 125,
      stdout: '',
      stderr: 'coppice: needs Node 22.13 or later, and this is 20.20.2\n',
    })
    // What an older Node cannot read it must not come to before it has said so.
    expect(readFileSync(command, 'utf8').match(/^import .*/gm)).toEqual([expect.stringMatching(/"node:fs"/)])
  })
})
