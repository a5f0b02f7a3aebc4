import { spawnSync } from 'node:child_process'
import { describe, expect } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { test } from '../../support/scene.ts'
import { againIfUnknown } from '../../support/unknown.ts'

const patience = { within: 30_000 }

describe('coppice on Windows', () => {
  test('case 1, case 2: exits as its command does, and tells what is missing from what cannot be run', async ({
    scene,
  }) => {
    const codes: Array<[number, string[]]> = [
      [0, ['true']],
      [3, ['sh', '-c', 'exit 3']],
      [127, ['no-such-command-here']],
      [126, [scene.folder]],
      [124, ['--timeout', '500ms', '--grace', '100ms', 'sleep', '1000']],
    ]
    for (const [code, command] of codes) {
      const options = command[0] === '--timeout' ? command.slice(0, 4) : []
      const { exited } = scene.coppice(['run', ...options, '--', ...command.slice(options.length)])
      const ended = await exited
      expect(ended.code, `${command.join(' ')}: ${ended.stderr}`).toBe(code)
    }
    expect(scene.living()).toEqual([])
  })

  test('passes output and arguments on, of a program in a folder with a space and an umlaut', async ({
    scene,
  }) => {
    const script = 'console.log(process.argv.slice(1).join("|"))'
    const { exited } = scene.coppice(['run', '--', process.execPath, '-e', script, '--', 'a b', 'ü', ''])
    expect((await exited).stdout.trim()).toBe('a b|ü|')
  })

  test('says who holds a session, refuses it at once, and frees it by a cancel from elsewhere', async ({
    scene,
  }) => {
    const held = scene.coppice([
      'run',
      '--session',
      'a',
      '--grace',
      '100ms',
      '--',
      'bash',
      '-c',
      'echo up; sleep 1000',
    ])
    await held.lines.after('up')
    const refused = await scene.coppice(['run', '--session', 'a', '--wait', '0', '--', 'true']).exited
    expect(refused.code).toBe(75)
    expect(refused.stderr).toMatch(/refused/)
    const why = await scene.coppice(['why', 'a', '--json']).exited
    expect(JSON.parse(why.stdout)).toBeTruthy()
    const cancel = await scene.coppice(['cancel', '--session', 'a']).exited
    expect(cancel.code, cancel.stderr).toBe(0)
    expect((await held.exited).code).toBe(143)
    expect((await scene.coppice(['run', '--session', 'a', '--', 'true']).exited).code).toBe(0)
    await eventually(() => scene.living().length === 0, patience)
  })

  test('insists on no containment that is for Linux, and on no limit that Wine has not got', async ({
    scene,
  }) => {
    const guard = await scene.coppice(['run', '--containment', 'guard', '--', 'true']).exited
    expect(guard.code).toBe(125)
    expect(guard.stderr).toContain('it is for Linux')
    const cpus = await scene.coppice(['run', '--cpus', '0.5', '--', 'true']).exited
    expect(cpus.code).toBe(125)
    const bad = await scene.coppice(['run', '--timeout', 'soon', '--', 'true']).exited
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain('soon')
  })

  test('case 37: a doctor finds nothing wrong with a state that is in order, and says what holds a tree here', async ({
    scene,
  }) => {
    expect((await scene.coppice(['run', '--', 'true']).exited).code).toBe(0)
    const { stdout, stderr } = await scene.coppice(['doctor']).exited
    expect(stdout, stderr).toContain('job on Windows')
    for (const check of ['kernel', 'helper', 'containment', 'processes', 'permissions'])
      expect(stdout).toMatch(new RegExp(`^ok +${check} `, 'm'))
  })

  test('whose stdout nobody reads ends quietly with 0', async ({ scene }) => {
    const run = scene.coppice(['--help'])
    run.child.stdout?.destroy()
    const code = await new Promise((resolve) => run.child.on('exit', resolve))
    expect([code, run.errors.all]).toEqual([0, []])
  })

  // No bound: what a machine that is busy takes says nothing. The bed prints the figures.
  test('says its version and examines the machine; what that takes is measured beside an empty program of Node', ({
    scene,
  }) => {
    const timed = (args: string[]) => {
      const begun = performance.now()
      const start = () => spawnSync(process.execPath, args, { encoding: 'utf8', env: scene.env })
      const { stdout, status } = againIfUnknown(start)
      return { stdout, status, took: performance.now() - begun }
    }
    const programs: Array<[string, string[], RegExp]> = [
      ['node -e 0', ['-e', '0'], /^$/],
      ['coppice --version', [scene.command, '--version'], /^\d+\.\d+\.\d+/],
      ['coppice doctor', [scene.command, 'doctor'], /^ok +containment /m],
    ]
    for (const [name, args, says] of programs) {
      const runs = Array.from({ length: 3 }, () => timed(args))
      for (const { stdout, status } of runs) {
        expect(status, name).toBe(0)
        expect(stdout).toMatch(says)
      }
      const [, median] = runs.map(({ took }) => took).sort((a, b) => a - b)
      process.stdout.write(`measured: ${name}: ${Math.round(median ?? 0)} ms\n`)
    }
  })
})
