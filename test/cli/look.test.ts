import { openSupervisor } from 'coppice'
import { describe, expect } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { test } from '../support/scene.ts'

describe('ps, sessions, show, transcript', () => {
  test('tell people and programs the same of a session that is held and one that is free', async ({
    scene,
  }) => {
    const supervisor = await openSupervisor({ state: scene.state })
    await supervisor.run({ session: 'done', labels: { channel: 'mail' } }, async (run) => {
      await run.append({ role: 'user', text: 'hi \u001b[31m' })
      await run.exec('sh', ['-c', 'exit 4'])
    })
    const holder = await supervisor.begin({ session: 'held' })
    const waiting = supervisor.start({ session: 'held' }, () => 1)
    await eventually(async () => (await supervisor.runs({ state: 'waiting' })).length === 1)
    const ask = async (...args: string[]) => (await scene.coppice(args).exited).stdout

    expect(JSON.parse(await ask('ps', '--json'))).toMatchObject([
      { run: waiting.id, session: 'held', state: 'waiting', outcome: null },
      { run: holder.id, session: 'held', state: 'running', supervisor: { pid: process.pid } },
    ])
    expect(JSON.parse(await ask('ps', '--all', '--json'))).toHaveLength(3)
    expect(await ask('ps')).toMatch(
      new RegExp(`^RUN +SESSION +STATE.*\n${waiting.id} +held +waiting.*\n${holder.id} +held +running`),
    )
    expect(JSON.parse(await ask('sessions', '--json'))).toMatchObject([
      { session: 'held', state: 'held', holder: { run: holder.id, state: 'running' }, waiting: 1, fence: 1 },
      { session: 'done', state: 'free', holder: null, waiting: 0, fence: 1 },
    ])
    expect(await ask('sessions')).toMatch(/held +held.*\ndone +free +- +- +0 +closed\n/)

    const transcript = JSON.parse(await ask('transcript', 'done', '--json'))
    expect(transcript).toMatchObject([
      { entry: { text: 'hi \u001b[31m' } },
      { outcome: { state: 'succeeded' } },
    ])
    expect(
      JSON.parse(await ask('transcript', 'done', '--json', '--after', transcript[0].position)),
    ).toHaveLength(1)
    expect(JSON.parse(await ask('transcript', 'done', '--json', '--limit', '1'))).toHaveLength(1)
    expect(await ask('transcript', 'done'), 'no escape reaches the terminal').not.toContain('\u001b')

    const [entry] = transcript
    expect(JSON.parse(await ask('show', entry.run, '--json'))).toMatchObject({
      run: entry.run,
      labels: { channel: 'mail' },
      state: 'succeeded',
      trees: [{ command: ['sh', '-c', 'exit 4'], end: { ended: 'exited', exit: { code: 4, signal: null } } }],
    })
    expect(await ask('show', entry.run)).toMatch(
      /state +succeeded\n.*tree +\S+ sh -c exit 4 \(pid \d+, \w+\): exited, exit 4/s,
    )

    await holder.end()
    await waiting.outcome
    await supervisor.close()
  })

  test('a run is cancelled by its id, and an ended one is reported as it ended', async ({ scene }) => {
    const run = scene.coppice(['run', '--', 'sh', '-c', 'echo ready; sleep 600'])
    await run.lines.after('ready')
    const [{ run: id }] = JSON.parse((await scene.coppice(['ps', '--json']).exited).stdout)
    const first = await scene.coppice(['cancel', id]).exited
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^run ${id} ended as cancelled after `)),
    })
    expect(await run.exited).toMatchObject({ code: 143 })
    const again = JSON.parse((await scene.coppice(['cancel', id, '--json']).exited).stdout)
    expect(again).toMatchObject({ run: id, state: 'cancelled' })
    expect(await scene.coppice(['cancel', 'r-unknown']).exited).toMatchObject({ code: 1 })
  })

  test('every command has a help with an example', async ({ scene }) => {
    const { stdout } = await scene.coppice(['--help']).exited
    const commands = [...stdout.matchAll(/^ {2}(\w+) /gm)]
      .map(([, name]) => name)
      .filter((name) => name !== 'help')
    expect(commands).toEqual([
      'run',
      'cancel',
      'ps',
      'sessions',
      'show',
      'transcript',
      'why',
      'health',
      'doctor',
      'breaker',
      'prune',
    ])
    expect(stdout, 'what to do where something is stuck').toMatch(
      /coppice why SESSION.*coppice health.*coppice doctor/s,
    )
    for (const name of commands) {
      const help = await scene.coppice([name ?? '', '--help']).exited
      expect(help, name).toMatchObject({ code: 0, stdout: expect.stringMatching(/Example: coppice /) })
    }
  })
})
