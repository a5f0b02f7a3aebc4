import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { openGroup } from '#src/containment/group/group.js'
import { runtimeDirectory, socketAddress, stateDirectory } from '#src/containment/processes/directories.js'
import { processTable } from '#src/containment/processes/processes.js'
import { fixture, Launching } from '../../containment/launching.ts'
import { isAlive, living } from '../../support/alive.ts'
import { look } from '../../support/alive-on-windows.ts'
import { eventually } from '../../support/eventually.ts'
import { helper, useJobs } from './jobs.ts'

const jobs = useJobs('coppice plain ünï ')

describe('a command', () => {
  test('case 1: has its exit code of 32 bits', async () => {
    const codes = [0, 1, 255, 256, 65_536, 0xc0000005, 0xffffffff]
    const exits = []
    for (const code of codes) {
      const { tree } = await jobs.launching.launch('bash', ['-c', `exit ${code}`])
      await tree.emptied
      exits.push(await tree.exited)
    }
    expect(exits).toEqual(codes.map((code) => ({ code, signal: null })))
  })

  test('gets its arguments as they were written', async () => {
    const args = [
      '',
      'a b',
      'quo"te',
      'back\\',
      'a\\\\"b c\\',
      '%PATH%',
      '&|<>^()!',
      'ünïcödé 汉字 🌲',
      'line\nbreak',
      "'",
    ]
    const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
    const { tree, out } = await jobs.launching.launch(process.execPath, ['-e', script, '--', ...args])
    await tree.emptied
    await out.ended
    expect(JSON.parse(out.all.join('\n'))).toEqual(args)
  })

  test('runs in a folder with a space and letters beyond ASCII in its name', async () => {
    const { tree, out } = await jobs.launching.launch(process.execPath, ['-p', 'process.cwd()'], {
      cwd: jobs.folder,
    })
    await tree.emptied
    await out.ended
    expect(out.all).toEqual([jobs.folder])
  })

  test('that is a batch file runs through cmd.exe, and what is no argument of one is refused', async () => {
    const batch = join(jobs.folder, 'says it.cmd')
    await writeFile(batch, '@echo off\r\necho said\r\nexit /b 9\r\n')
    const { tree, out } = await jobs.launching.launch(batch, ['a b'])
    expect(await tree.exited).toEqual({ code: 9, signal: null })
    await tree.emptied
    await out.ended
    expect(out.all.map((line) => line.trim())).toContain('said')
    const launch = jobs.launching.launch(batch, ['a\r\necho injected'])
    await expect(launch).rejects.toMatchObject({ code: 'launch_failed', path: batch })
  })

  test('that is in the working directory alone is not found', async () => {
    await writeFile(join(jobs.folder, 'only-here.cmd'), '@exit /b 0\r\n')
    const launch = jobs.launching.launch('only-here', [], { cwd: jobs.folder })
    await expect(launch).rejects.toMatchObject({ code: 'command_not_found' })
  })

  test('whose limit of processors cannot be held is refused: Wine has none', async () => {
    const limits = { pids: 100, memory: 1e9, cpus: 0.5, output: Number.POSITIVE_INFINITY }
    const launch = jobs.launching.launch('true', [], { limits })
    await expect(launch).rejects.toMatchObject({
      code: 'launch_failed',
      message: expect.stringContaining('job object'),
    })
  })
})

test('case 14: a hundred trees one after another leave no process and no handle', async () => {
  const handles = () =>
    Number(execFileSync('helper-tests', ['handles', String(process.pid)], { encoding: 'utf8' }))
  const one = async () => {
    const { tree, out } = await jobs.launching.launch('bash', ['-c', 'echo said'])
    await tree.emptied
    await out.ended
  }
  for (let count = 0; count < 10; count++) await one()
  const before = handles()
  const opened = Array.from({ length: 30 }, () => openSync(helper, 'r'))
  expect(handles() - before, 'the control: 30 more are seen').toBeGreaterThan(25)
  for (const fd of opened) closeSync(fd)
  for (let count = 0; count < 100; count++) await one()
  // Streams that have ended are closed in a later turn. A handle that each tree left would be a hundred.
  await eventually(() => handles() - before < 25, { every: 100 })
  // A helper's own go with it.
  const helpers = () =>
    look([]).filter(({ name, parent }) => name === basename(helper) && parent === process.pid)
  await eventually(() => helpers().length === 0, { every: 100 })
})

test('a helper holds no pipe that Node was making for another child of its host when it started it', async () => {
  const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe', 'pipe'] as const
  const child = spawn(helper, [`--supervisor=${process.pid}`], { stdio: [...stdio] })
  const exited = once(child, 'exit')
  const [control, report, other] = [3, 4, 5].map((fd) => child.stdio[fd] as Duplex)
  await once(other?.resume() as Duplex, 'end')
  expect(child.exitCode).toBe(null)
  control?.end()
  report?.resume()
  await exited
})

describe('the system', () => {
  test('case 30: tells processes by number and moment of creation', async () => {
    const table = await processTable()
    expect(table.self).toMatchObject({ pid: process.pid, bootId: '', pidNamespace: '' })
    expect(await table.isAlive(table.self)).toBe('alive')
    expect(await table.isAlive({ ...table.self, startTime: String(BigInt(table.self.startTime) + 1n) })).toBe(
      'dead',
    )
    expect(await table.isAlive({ ...table.self, pid: 999_996 })).toBe('dead')
    expect(await table.isAlive({ ...table.self, bootId: 'linux' })).toBe('unknown')
    const { tree } = await jobs.launching.launch('sleep', ['1000'])
    expect(await table.identify(tree.root.pid)).toEqual(tree.root)
    expect(await table.cookieOf(tree.root.pid)).toEqual({ run: jobs.launching.run, tree: tree.id })
    const wrong = { ...tree.root, startTime: '1' }
    expect(await table.signalAll([wrong], 'SIGKILL')).toEqual([])
    expect(isAlive(tree.root.pid, tree.root.startTime)).toBe(true)
    expect(await table.signal(tree.root, 'SIGKILL')).toBe(true)
    await tree.emptied
    expect(await table.isAlive(tree.root)).toBe('dead')
  })

  test('keeps state where LOCALAPPDATA says, and sockets among its named pipes', () => {
    const local = 'C:\\Users\\Zoë Ärger\\AppData\\Local'
    expect(stateDirectory({ LOCALAPPDATA: local })).toBe(`${local}\\coppice`)
    expect(runtimeDirectory({})).toMatch(/^[A-Z]:\\.*\\coppice-/)
    const address = socketAddress('C:\\a\\s1.sock')
    expect(address).toMatch(/^\\\\\.\\pipe\\coppice-[0-9a-f]{32}$/)
    expect(socketAddress('c:\\A\\S1.sock'), 'a path has either case').toBe(address)
    expect(socketAddress('C:\\a\\s2.sock')).not.toBe(address)
  })
})

test('group ends a tree by tree-kill and what it knows, and proves nothing', async () => {
  const group = await openGroup()
  const trees = new Launching(group)
  const { tree, out } = await trees.launch(fixture('leaves-background-jobs.sh'), ['3'])
  expect(await tree.exited).toEqual({ code: 3, signal: null })
  // What it said may come after its exit.
  await eventually(() => out.all.length === 4, { within: 20_000 })
  const left = out.all.map((line) => living(Number(line.replace('left ', ''))))
  tree.kill()
  await tree.emptied
  expect(left.every(({ pid, startTime }) => !isAlive(pid, startTime))).toBe(true)
  expect(await tree.report()).toMatchObject({ containment: 'group', proof: 'unproven' })
  const stubborn = await trees.launch(fixture('ignores-sigterm.sh'))
  await stubborn.out.after('ready')
  await stubborn.tree.terminate(0)
  expect((await stubborn.tree.report()).proof, 'nobody is asked: there is nothing to ask with').toBe(
    'survivors',
  )
  stubborn.tree.kill()
  await stubborn.tree.emptied
  await trees.assertNothingLives()
  await group.close()
})
